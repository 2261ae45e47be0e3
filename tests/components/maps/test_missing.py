"""What is said of methods that a model cannot do."""

from components.maps.missing import describe_missing

PROMPTS = "needs a ViT with trained class prompts; this model has none."


def test_methods_of_one_reason_are_named_together() -> None:
    obstacles = {"prompt-cam": f"Prompt-CAM {PROMPTS}", "legrad": "LeGrad needs attention.", "cam": "CAM cannot."}
    (alone,) = describe_missing("imagenet-cnn", ["prompt-cam"], obstacles)
    assert alone == f"Not for imagenet-cnn: Prompt-CAM {PROMPTS}".replace("imagenet-cnn", r"imagenet\-cnn")
    (several,) = describe_missing("mine", ["prompt-cam", "legrad"], obstacles | {"legrad": f"LeGrad {PROMPTS}"})
    assert several == f"Not for mine: Prompt-CAM and LeGrad: each {PROMPTS}"
    assert describe_missing("mine", [], obstacles) == []
