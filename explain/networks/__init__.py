"""What a torch network is made of: layers, head, output, device, prompts. Stands on the ground alone."""
