"""The Studio's parts: data set, recipe, training, prompts, eyes, field guide, surgery. Stands on maps."""
