"""What a torch network is made of: layers, head, output, device, prompts, weight files. Stands on the ground alone."""
