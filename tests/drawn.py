"""Pictures for tests: smooth and busy parts in every mode that PNG and JPEG have."""

import numpy as np

MODES = ("L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I;16", "1")
"""`PA` is a palette with a transparent colour."""


def colours(width, height, channels=3, seed=0):
    """A smooth slope with noise on it, uint8 [H, W, C]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [120 + 90 * np.sin(x / (3 + c) + seed) * np.cos(y / (5 + c)) for c in range(channels)]
    return np.clip(np.stack(waves, axis=-1) + rng.normal(0, 20, (height, width, channels)), 0, 255).astype(np.uint8)


def picture(mode, width, height, seed=0):
    """A PIL picture of this mode."""
    from PIL import Image

    if mode == "I;16":
        return Image.fromarray(colours(width, height, 1, seed)[:, :, 0].astype(np.uint16) * 257)
    if mode in ("LA", "RGBA", "CMYK"):
        return Image.fromarray(colours(width, height, len(mode), seed), mode)
    base = Image.fromarray(colours(width, height, 3, seed), "RGB")
    return base.convert("P" if mode == "PA" else mode)


def saved(folder, mode, width, height, seed=0):
    """Write a picture of this mode; CMYK as JPEG, all else as PNG. Return its path."""
    path = folder / f"{mode.replace(';', '')}-{width}x{height}-{seed}.{'jpg' if mode == 'CMYK' else 'png'}"
    picture(mode, width, height, seed).save(path, **({"transparency": 3} if mode == "PA" else {}))
    return path
