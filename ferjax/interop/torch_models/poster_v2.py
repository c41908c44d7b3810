"""POSTER++ in PyTorch, with the names of the authors' files and without the layers that they never call."""

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models import ir50, mobilefacenet
from ferjax.interop.torch_models.drop_path import DropPath

_DIMS, _HEADS = (64, 128, 256), (2, 4, 8)


class WindowCrossAttention(nn.Module):
    """Lets the landmarks' map read the image's, with relative positions."""

    def __init__(self, width: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * side - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.qkv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        place = torch.cartesian_prod(torch.arange(side), torch.arange(side))
        down, right = (place[:, None] - place + side - 1).unbind(-1)
        self.register_buffer("offsets", down * (2 * side - 1) + right, persistent=False)

    def forward(self, x: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Computes `[B, C, S, S]` from two maps `[B, S, S, C]`."""
        key, value, query = (
            part.flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for part in (*self.qkv(x).chunk(2, dim=3), queries)
        )
        scores = query @ key.mT * query.shape[-1] ** -0.5
        bias = self.relative_position_bias_table[self.get_buffer("offsets")].permute(2, 0, 1)
        read = (scores + bias).softmax(-1) @ value
        return self.proj(read.transpose(1, 2).reshape(x.shape)).permute(0, 3, 1, 2)


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes each place by itself."""
        return self.fc2(functional.gelu(self.fc1(x)))


class FeedForward(nn.Module):
    """Adds the attention's answer, then an MLP, both scaled."""

    def __init__(self, width: int, drop_path: float) -> None:
        super().__init__()
        self.gamma1 = nn.Parameter(torch.full((width,), 1e-5))
        self.gamma2 = nn.Parameter(torch.full((width,), 1e-5))
        self.mlp = Mlp(width)
        self.norm = nn.LayerNorm(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, answer: torch.Tensor, shortcut: torch.Tensor) -> torch.Tensor:
        """Computes the next map, `[B, C, S, S]`, from `[B, C, S, S]` and `[B, S, S, C]`."""
        x = shortcut + self.drop_path(self.gamma1 * answer.permute(0, 2, 3, 1))
        return (x + self.drop_path(self.gamma2 * self.mlp(self.norm(x)))).permute(0, 3, 1, 2)


class Normalised(nn.Module):
    """Layer normalisation under the name `norm`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalises `[B, C, S, S]`, and gives `[B, S, S, C]`."""
        return self.norm(x.permute(0, 2, 3, 1))


class SelfAttention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Lets every token read all tokens."""
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        read = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(read.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """A transformer's block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, 1e-6)
        self.attn = SelfAttention(width)
        self.norm2 = nn.LayerNorm(width, 1e-6)
        self.mlp = Mlp(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next tokens."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Gate(nn.Module):
    """Multiplies a vector with gates that two linear layers compute from it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weighs `[B, C]`."""
        return x * self.linear2(self.linear1(x).relu()).sigmoid()


class Head(nn.Module):
    """The classifier, under the name `linear`."""

    def __init__(self, width: int, num_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, C]`."""
        return self.linear(x)


class Embedding(nn.Module):
    """A 1×1 convolution, under the name `proj`."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the tokens' maps."""
        return self.proj(x)


class Transformer(nn.Module):
    """A class token, positions, two blocks, and the classifier."""

    def __init__(self, tokens: int, width: int, num_classes: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens + 1, width))
        self.se_block = Gate(width)
        self.head = Head(width, num_classes)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.norm = nn.LayerNorm(width, 1e-6)
        for values in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(values, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, T, C]`."""
        first = self.cls_token.expand(tokens.shape[0], -1, -1)
        x = self.blocks(torch.cat([first, tokens], dim=1) + self.pos_embed)
        return self.head(self.se_block(self.norm(x[:, 0])))  # the other tokens are not read


class PosterV2(nn.Module):
    """Gives logits; no gradient reaches the landmark network unless it is to be trained."""

    def __init__(
        self,
        num_classes: int = 7,
        depth: int = 50,
        embedding: int = 768,
        resized: int = 112,
        train_landmarks: bool = False,
    ) -> None:
        super().__init__()
        self.resized, self.train_landmarks = resized, train_landmarks
        self.face_landback = mobilefacenet.Maps()
        self.VIT = Transformer(3 * (resized // 16) ** 2, embedding, num_classes)
        self.ir_back = ir50.Trunk(depth)
        for kind in ("attn", "window", "conv", "ffn"):
            for number, (width, heads) in enumerate(zip(_DIMS, _HEADS, strict=True), start=1):
                self.add_module(f"{kind}{number}", self._part(kind, number, width, heads))
        self.last_face_conv = nn.Conv2d(512, 256, 3, padding=1)
        self.embed_q = nn.Sequential(
            nn.Conv2d(64, embedding, 3, 2, 1), nn.Conv2d(embedding, embedding, 3, 2, 1)
        )
        self.embed_k = nn.Sequential(nn.Conv2d(128, embedding, 3, 2, 1))
        self.embed_v = Embedding(256, embedding)

    def _part(self, kind: str, number: int, width: int, heads: int) -> nn.Module:
        if kind == "attn":
            return WindowCrossAttention(width, heads, self.resized // 2 ** (number + 1))
        if kind == "window":
            return Normalised(width)
        if kind == "conv":
            return nn.Conv2d(width, width, 3, 2, 1)
        return FeedForward(width, 0.125 * (number - 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        images = functional.interpolate(images, size=self.resized)
        *asked, last = (
            read if self.train_landmarks else read.detach() for read in self.face_landback.maps(images)
        )
        asked.append(self.last_face_conv(last))
        maps = []
        for number, (x, queries) in enumerate(zip(self.ir_back.maps(images), asked, strict=True), start=1):
            conv, window, attention, further = (
                self.get_submodule(f"{kind}{number}") for kind in ("conv", "window", "attn", "ffn")
            )
            normalised = window(conv(x))
            answer = attention(normalised, queries.permute(0, 2, 3, 1))
            maps.append(further(answer, normalised))
        tokens = (self.embed_q(maps[0]), self.embed_k(maps[1]), self.embed_v(maps[2]))
        return self.VIT(torch.cat([part.flatten(2).mT for part in tokens], dim=1))
