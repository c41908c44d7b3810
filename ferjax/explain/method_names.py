"""What methods of explanation are called, and what their maps show."""

# Name in --methods → title on the page, and one sentence on what the map shows.
TITLES = {
    "grad_cam": ("Grad-CAM", "Where the channels of a layer respond that speak for the class."),
    "grad_cam_plus_plus": (
        "Grad-CAM++",
        "Like Grad-CAM, with places weighted one by one, so that several similar places all count.",
    ),
    "hires_cam": (
        "HiResCAM",
        "Gradient times activation of a layer, place by place; any kind of layer may follow.",
    ),
    "cam": ("CAM", "The contribution of each place to the class's score."),
    "attention_rollout": (
        "Attention rollout",
        "How much of each patch reaches what the classifier reads, whatever the class.",
    ),
    "occlusion": ("Occlusion", "How much covering a place lowers the odds of the class."),
    "integrated_gradients": ("Integrated gradients", "The class's score, divided among the pixels."),
    "smoothgrad": ("SmoothGrad", "How much each pixel changes the class's score, averaged over noise."),
    "saliency": ("Saliency", "How much each pixel changes the class's score."),
}


def spoken(name: str) -> str:
    """Writes the name of a method as its authors do, of a reference map without underscores."""
    return TITLES[name][0] if name in TITLES else name.replace("_", " ")
