"""Masked auto-encoding in PyTorch, as `ferjax.models.mae` describes it; names are facebookresearch/mae's."""

import torch
from torch import nn

from ferjax.interop.torch_models.vit import Block, PatchEmbed
from ferjax.layers.positions import sin_cos


class MaskedAutoencoder(nn.Module):
    """The whole network: images `[B, 3, H, W]` and an order of patches to guesses `[B, N, patch² · 3]`."""

    def __init__(
        self,
        image_size: int = 224,
        patch: int = 16,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        epsilon: float = 1e-6,
        mask_ratio: float = 0.75,
        decoder_width: int = 512,
        decoder_depth: int = 8,
        decoder_heads: int = 16,
    ) -> None:
        super().__init__()
        self.patch, self.mask_ratio = patch, mask_ratio
        side = image_size // patch
        self.cls_token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.pos_embed = _fixed(side, width)
        self.patch_embed = PatchEmbed(patch, width, bias=True)
        self.blocks = nn.ModuleList(
            Block(width, heads, 0.0, "gelu", epsilon, drop_path=0.0) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width, epsilon)
        self.decoder_embed = nn.Linear(width, decoder_width)
        self.mask_token = nn.Parameter(torch.randn(1, 1, decoder_width) * 0.02)
        self.decoder_pos_embed = _fixed(side, decoder_width)
        self.decoder_blocks = nn.ModuleList(
            Block(decoder_width, decoder_heads, 0.0, "gelu", epsilon, drop_path=0.0)
            for _ in range(decoder_depth)
        )
        self.decoder_norm = nn.LayerNorm(decoder_width, epsilon)
        self.decoder_pred = nn.Linear(decoder_width, patch * patch * 3)

    def forward(self, x: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        """Guesses all patches from the first ones of an order `[B, N]`, int64."""
        shown = int(order.shape[1] * (1 - self.mask_ratio))
        x = _taken(self.patch_embed(x) + self.pos_embed[:, 1:], order[:, :shown])
        first = (self.cls_token + self.pos_embed[:, :1]).expand(x.shape[0], -1, -1)
        x = torch.cat([first, x], dim=1)
        for block in self.blocks:
            x = block(x)
        x = self.decoder_embed(self.norm(x))
        hidden = self.mask_token.expand(x.shape[0], order.shape[1] - shown, -1)
        patches = _taken(torch.cat([x[:, 1:], hidden], dim=1), order.argsort(dim=1))
        x = torch.cat([x[:, :1], patches], dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:]

    def loss(
        self, x: torch.Tensor, guessed: torch.Tensor, order: torch.Tensor, normalised: bool = True
    ) -> torch.Tensor:
        """Computes the mean squared error over the hidden patches of the batch."""
        batch, _, height, width = x.shape
        cut = x.reshape(batch, 3, height // self.patch, self.patch, width // self.patch, self.patch)
        wanted = cut.permute(0, 2, 4, 3, 5, 1).reshape(batch, order.shape[1], -1)
        if normalised:
            mean, variance = wanted.mean(-1, keepdim=True), wanted.var(-1, keepdim=True)
            wanted = (wanted - mean) / torch.sqrt(variance + 1e-6)
        shown = int(order.shape[1] * (1 - self.mask_ratio))
        mask = (order.argsort(dim=1) >= shown).to(x.dtype)
        return (((guessed - wanted) ** 2).mean(-1) * mask).sum() / mask.sum()


def _fixed(side: int, width: int) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(sin_cos(side, side, width)), requires_grad=False)


def _taken(tokens: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    return torch.gather(tokens, 1, order[:, :, None].expand(-1, -1, tokens.shape[2]))
