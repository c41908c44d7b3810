"""Vision transformers in PyTorch, as `ferjax.models.vit` describes them, under timm's names."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models.drop_path import DropPath, rising_rates


class PatchEmbed(nn.Module):
    """Turns squares of pixels into tokens `[B, N, C]`."""

    def __init__(self, patch: int, width: int, bias: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, patch, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes tokens row by row."""
        return self.proj(x).flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Lets every token of `[B, T, C]` read all tokens."""
        split = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        read = functional.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.proj(read.transpose(1, 2).flatten(2))


class QuickGELU(nn.Module):
    """CLIP's activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes x·σ(1.702 x)."""
        return x * torch.sigmoid(1.702 * x)


class Mlp(nn.Module):
    """Two linear layers."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.act = QuickGELU() if activation == "quick_gelu" else nn.GELU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes each token by itself."""
        return self.fc2(self.act(self.fc1(x)))


class LayerScale(nn.Module):
    """A factor for each channel."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((width,), initial))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scales."""
        return x * self.gamma


class Block(nn.Module):
    """Adds attention, then an MLP."""

    def __init__(
        self, width: int, heads: int, layer_scale: float, activation: str, epsilon: float, drop_path: float
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, epsilon)
        self.attn = Attention(width, heads)
        self.ls1 = LayerScale(width, layer_scale) if layer_scale else nn.Identity()
        self.norm2 = nn.LayerNorm(width, epsilon)
        self.mlp = Mlp(width, activation)
        self.ls2 = LayerScale(width, layer_scale) if layer_scale else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next tokens `[B, T, C]`."""
        x = x + self.drop_path(self.ls1(self.attn(self.norm1(x))))
        return x + self.drop_path(self.ls2(self.mlp(self.norm2(x))))


class VisionTransformer(nn.Module):
    """The whole network: images `[B, 3, image_size, image_size]` to logits `[B, num_classes]`."""

    def __init__(
        self,
        num_classes: int = 7,
        image_size: int = 224,
        patch: int = 16,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        pool: str = "mean",
        registers: int = 0,
        layer_scale: float = 0.0,
        pre_norm: bool = False,
        activation: str = "gelu",
        epsilon: float = 1e-6,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.first, self.mean = 1 + registers, pool == "mean"
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.reg_token = nn.Parameter(torch.zeros(1, registers, width)) if registers else None
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (image_size // patch) ** 2, width))
        self.patch_embed = PatchEmbed(patch, width, bias=not pre_norm)
        self.norm_pre = nn.LayerNorm(width, epsilon) if pre_norm else nn.Identity()
        self.blocks = nn.Sequential(
            *(
                Block(width, heads, layer_scale, activation, epsilon, rate)
                for rate in rising_rates(drop_path, depth)
            )
        )
        self.norm = nn.Identity() if self.mean else nn.LayerNorm(width, epsilon)
        self.fc_norm = nn.LayerNorm(width, epsilon) if self.mean else nn.Identity()
        self.head = nn.Linear(width, num_classes)
        for values in (self.cls_token, self.reg_token, self.pos_embed):
            if values is not None:
                nn.init.normal_(values, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        patches = self.patch_embed(x) + self.pos_embed[:, 1:]
        begin = [self.cls_token + self.pos_embed[:, :1]]
        if self.reg_token is not None:
            begin.append(self.reg_token)
        tokens = [token.expand(x.shape[0], -1, -1) for token in begin]
        x = self.blocks(self.norm_pre(torch.cat([*tokens, patches], dim=1)))
        # The normalisation works token by token: only the class token's is needed.
        read = x[:, self.first :].mean(1) if self.mean else self.norm(x[:, 0])
        return self.head(self.fc_norm(read))


vit_s16 = VisionTransformer
vit_b16 = partial(VisionTransformer, width=768, heads=12)
vit_tiny48 = partial(VisionTransformer, image_size=48, patch=6, width=192, depth=9, heads=3)
