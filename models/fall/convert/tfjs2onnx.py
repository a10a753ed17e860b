#!/usr/bin/env python3
"""Converts a TensorFlow.js graph model to ONNX (opset 18), without TensorFlow.

    tfjs2onnx.py MODEL.json OUT.onnx [--dynamic] [--input-dtype uint8|int32|float32]

The JSON holds the graph as TensorFlow NodeDefs and a manifest of the weights in the .bin beside it.
Every node becomes ONNX nodes; an op that is not in `OPS` stops the conversion with its name, so a
graph is converted whole or not at all. TensorFlow is NHWC: a transpose goes around every
convolution, pooling and resizing, and the runtime removes the pairs. Integers are int64 throughout.
Needs numpy and onnx (models/fall/convert/requirements.lock).
"""
import argparse
import base64
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TYPES = {"DT_FLOAT": TensorProto.FLOAT, "DT_INT32": TensorProto.INT64, "DT_INT64": TensorProto.INT64, "DT_BOOL": TensorProto.BOOL}
ENDLESS = 2**31 - 1
ONE_TO_ONE = {
    "Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div", "Maximum": "Max",
    "Minimum": "Min", "Pow": "Pow", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less",
    "LessEqual": "LessOrEqual", "Equal": "Equal", "LogicalAnd": "And", "LogicalNot": "Not", "FloorDiv": "Div",
    "FloorMod": "Mod", "AddN": "Sum", "Sigmoid": "Sigmoid", "Exp": "Exp", "Sqrt": "Sqrt", "Abs": "Abs", "Relu": "Relu",
    "Reciprocal": "Reciprocal", "Tanh": "Tanh", "Floor": "Floor", "Neg": "Neg", "Identity": "Identity",
    "StopGradient": "Identity", "Shape": "Shape", "Size": "Size", "Reshape": "Reshape", "Tile": "Tile",
    "Range": "Range", "GatherNd": "GatherND", "Select": "Where", "SelectV2": "Where",
}
REDUCTIONS = {"Max": "ReduceMax", "Min": "ReduceMin", "Sum": "ReduceSum", "Mean": "ReduceMean", "Prod": "ReduceProd"}


def weights_of(manifest, blob):
    """Every weight by name; float16 becomes float32, int32 becomes int64; all bytes must be used."""
    found, at = {}, 0
    for group in manifest:
        for spec in group["weights"]:
            packed = spec.get("quantization")
            stored = np.dtype(packed["dtype"] if packed else spec["dtype"])
            count = int(np.prod(spec["shape"], dtype=np.int64))
            raw = np.frombuffer(blob, stored, count, at).reshape(spec["shape"])
            at += count * stored.itemsize
            if packed and "scale" in packed:
                raw = raw.astype(np.float32) * packed["scale"] + packed["min"]
            # asarray keeps 0-d arrays 0-d; ascontiguousarray would not, and change broadcasting.
            found[spec["name"]] = np.asarray(raw, np.int64 if spec["dtype"] == "int32" else np.dtype(spec["dtype"]), order="C")
    if at != len(blob):
        raise SystemExit(f"weights: {len(blob)} bytes in the file, {at} in the manifest")
    return found


def attribute(node, name, default=None):
    """One attribute of a NodeDef as a plain Python value; TensorFlow's default if it is absent."""
    entry = node.get("attr", {}).get(name)
    if entry is None:
        return default
    (kind, value), = entry.items()
    if kind == "list":
        if "i" in value:
            return [int(v) for v in value["i"]]
        return [base64.b64decode(v).decode() for v in value.get("s", [])]
    if kind == "s":
        return base64.b64decode(value).decode()
    return {"i": int, "f": float, "b": bool, "type": str}[kind](value) if kind != "shape" else value


class Converter:
    def __init__(self, nodes, weights, args):
        self.nodes = {node["name"]: node for node in nodes}
        self.weights = weights
        self.args = args
        self.out, self.used, self.constants, self.inputs = [], {}, {}, []

    # --- building blocks ------------------------------------------------------------------------
    def emit(self, op, inputs, output=None, **attributes):
        output = output or f"n{len(self.out)}"
        self.out.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def constant(self, value, dtype=np.int64):
        array = np.asarray(value, dtype)
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def tensor(self, ref):
        """The ONNX name of a TensorFlow input reference."""
        name, _, index = ref.partition(":")
        if self.nodes[name]["op"] == "Const":
            self.used[name] = self.weights[name]
        return name if index in ("", "0") else f"{name}:{index}"

    def value(self, ref):
        """The value of an input that must be constant (axes, permutations, bounds)."""
        name = ref.partition(":")[0]
        while self.nodes[name]["op"] == "Identity":
            name = self.nodes[name]["input"][0].partition(":")[0]
        if name not in self.weights:
            raise SystemExit(f"{name}: must be constant here")
        return self.weights[name]

    def nchw(self, ref):
        return self.emit("Transpose", [ref], perm=[0, 3, 1, 2])

    def nhwc(self, ref, output):
        return self.emit("Transpose", [ref], output, perm=[0, 2, 3, 1])

    def added(self, array):
        return self.constant(array, array.dtype)

    # --- the walk -------------------------------------------------------------------------------
    def order(self, wanted):
        """Names in topological order, iteratively; control edges are no inputs."""
        done, order, stack = set(), [], [(name, False) for name in reversed(wanted)]
        while stack:
            name, ready = stack.pop()
            if ready:
                order.append(name)
            elif name not in done:
                done.add(name)
                stack.append((name, True))
                stack += [(ref.partition(":")[0], False) for ref in self.data_inputs(name)]
        return order

    def data_inputs(self, name):
        return [ref for ref in self.nodes[name].get("input", []) if not ref.startswith("^")]

    def convert(self, outputs):
        for name in self.order([ref.partition(":")[0] for ref in outputs.values()]):
            node = self.nodes[name]
            if node["op"] == "Const":
                continue
            handler = OPS.get(node["op"])
            if handler is None:
                raise SystemExit(f"{name}: the op {node['op']} is not known to this converter")
            handler(self, node, self.data_inputs(name))
        for key, ref in outputs.items():
            self.emit("Identity", [self.tensor(ref)], key)

    # --- ops ------------------------------------------------------------------------------------
    def one_to_one(self, node, refs):
        self.emit(ONE_TO_ONE[node["op"]], [self.tensor(ref) for ref in refs], node["name"])

    def placeholder(self, node, _):
        shape = [int(d["size"]) for d in attribute(node, "shape")["dim"]]
        if self.args.dynamic:
            shape[1:3] = ["height", "width"]
        dtype = {"uint8": TensorProto.UINT8, "int32": TensorProto.INT32, "float32": TensorProto.FLOAT}[self.args.input_dtype]
        # Not "input": that is the name of the node in the graph.
        self.inputs.append(helper.make_tensor_value_info("image", dtype, shape))
        to = TYPES[attribute(node, "dtype")]
        self.emit("Cast", ["image"], node["name"], to=to)

    def cast(self, node, refs):
        self.emit("Cast", [self.tensor(refs[0])], node["name"], to=TYPES[attribute(node, "DstT")])

    def convolution(self, node, refs):
        depthwise = "Depthwise" in node["op"]
        kernel = self.value(refs[1])
        if depthwise:
            height, width, channels, multiplier = kernel.shape
            kernel = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        else:
            height, width, channels = kernel.shape[:3]
            kernel = kernel.transpose(3, 2, 0, 1)
        strides = attribute(node, "strides")[1:3]
        options = {
            "strides": strides, "dilations": attribute(node, "dilations", [1, 1, 1, 1])[1:3],
            "group": channels if depthwise else 1, "kernel_shape": [height, width],
        }
        padding = attribute(node, "padding")
        if padding == "SAME" and not (height == width == 1 and strides == [1, 1]):
            options["auto_pad"] = "SAME_UPPER"
        elif padding == "EXPLICIT":
            pads = attribute(node, "explicit_paddings")
            options["pads"] = [pads[2], pads[4], pads[3], pads[5]]
        inputs = [self.nchw(self.tensor(refs[0])), self.added(np.asarray(kernel, order="C"))]
        extra = list(refs[2:])
        fused = attribute(node, "fused_ops", [])
        if fused and fused[0] == "BiasAdd":
            inputs.append(self.tensor(extra.pop(0)))
            fused = fused[1:]
        result = self.emit("Conv", inputs, **options)
        for op in fused:
            result = self.activation(op, result, node, extra)
        self.nhwc(result, node["name"])

    def activation(self, op, ref, node, extra):
        if op in ("Relu", "Elu"):
            return self.emit(op, [ref])
        if op == "Relu6":
            return self.emit("Clip", [ref, self.constant(0, np.float32), self.constant(6, np.float32)])
        if op == "LeakyRelu":
            return self.emit(op, [ref], alpha=attribute(node, "leakyrelu_alpha", 0.2))
        if op == "Prelu":
            return self.emit("PRelu", [ref, self.added(self.value(extra.pop(0)).reshape(-1, 1, 1))])
        raise SystemExit(f"{node['name']}: the fused op {op} is not known to this converter")

    def pool(self, node, refs):
        options = {"kernel_shape": attribute(node, "ksize")[1:3], "strides": attribute(node, "strides")[1:3]}
        if attribute(node, "padding") == "SAME":
            options["auto_pad"] = "SAME_UPPER"
        op = {"MaxPool": "MaxPool", "AvgPool": "AveragePool"}[node["op"]]
        self.nhwc(self.emit(op, [self.nchw(self.tensor(refs[0]))], **options), node["name"])

    def resize(self, node, refs):
        image = self.nchw(self.tensor(refs[0]))
        lead = self.emit("Slice", [self.emit("Shape", [image]), self.constant([0]), self.constant([2])])
        sizes = self.emit("Concat", [lead, self.tensor(refs[1])], axis=0)
        align, half = attribute(node, "align_corners", False), attribute(node, "half_pixel_centers", False)
        mode = "align_corners" if align else "half_pixel" if half else "asymmetric"
        self.nhwc(self.emit("Resize", [image, "", "", sizes], mode="linear", coordinate_transformation_mode=mode), node["name"])

    def squared_difference(self, node, refs):
        difference = self.emit("Sub", [self.tensor(ref) for ref in refs])
        self.emit("Mul", [difference, difference], node["name"])

    def transpose(self, node, refs):
        self.emit("Transpose", [self.tensor(refs[0])], node["name"], perm=self.value(refs[1]).tolist())

    def expand_dims(self, node, refs):
        self.emit("Unsqueeze", [self.tensor(refs[0]), self.constant(self.value(refs[1]).reshape(-1))], node["name"])

    def squeeze(self, node, refs):
        axes = attribute(node, "squeeze_dims", [])
        self.emit("Squeeze", [self.tensor(refs[0])] + ([self.constant(axes)] if axes else []), node["name"])

    def pack(self, node, refs):
        axis = attribute(node, "axis", 0)
        parts = [self.emit("Unsqueeze", [self.tensor(ref), self.constant([axis])]) for ref in refs]
        self.emit("Concat", parts, node["name"], axis=axis)

    def unpack(self, node, refs):
        for index in range(attribute(node, "num")):
            name = node["name"] if index == 0 else f"{node['name']}:{index}"
            self.emit("Gather", [self.tensor(refs[0]), self.constant(index)], name, axis=attribute(node, "axis", 0))

    def split(self, node, refs):
        count = attribute(node, "num_split")
        names = [node["name"]] + [f"{node['name']}:{index}" for index in range(1, count)]
        self.out.append(helper.make_node("Split", [self.tensor(refs[1])], names, axis=int(self.value(refs[0])), num_outputs=count))

    def concat(self, node, refs):
        self.emit("Concat", [self.tensor(ref) for ref in refs[:-1]], node["name"], axis=int(self.value(refs[-1])))

    def gather(self, node, refs):
        self.emit("Gather", [self.tensor(ref) for ref in refs[:2]], node["name"], axis=int(self.value(refs[2])))

    def fill(self, node, refs):
        self.emit("Expand", [self.tensor(refs[1]), self.tensor(refs[0])], node["name"])

    def top_k(self, node, refs):
        k = self.emit("Reshape", [self.tensor(refs[1]), self.constant([1])])
        self.out.append(helper.make_node("TopK", [self.tensor(refs[0]), k], [node["name"], f"{node['name']}:1"], axis=-1))

    def arg_max(self, node, refs):
        self.emit("ArgMax", [self.tensor(refs[0])], node["name"], axis=int(self.value(refs[1])), keepdims=0)

    def reduction(self, node, refs):
        axes = self.constant(self.value(refs[1]).reshape(-1))
        keep = int(attribute(node, "keep_dims", False))
        self.emit(REDUCTIONS[node["op"]], [self.tensor(refs[0]), axes], node["name"], keepdims=keep)

    def strided_slice(self, node, refs):
        masks = {name: attribute(node, f"{name}_mask", 0) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
        begins, ends, strides = (self.value(ref).tolist() for ref in refs[1:4])
        if masks["ellipsis"] or any(stride <= 0 for stride in strides):
            raise SystemExit(f"{node['name']}: an ellipsis or a negative stride is not known to this converter")
        cuts, shrunk, fresh, dimension = [], [], [], 0
        for index, (begin, end, stride) in enumerate(zip(begins, ends, strides)):
            bit = 1 << index
            if masks["new_axis"] & bit:
                fresh.append(dimension - len(shrunk) + len(fresh))
                continue
            if masks["shrink_axis"] & bit:
                shrunk.append(dimension)
                cuts.append((dimension, begin, begin + 1 if begin != -1 else ENDLESS, 1))
            else:
                begin, end = (0 if masks["begin"] & bit else begin), (ENDLESS if masks["end"] & bit else end)
                if (begin, end, stride) != (0, ENDLESS, 1):
                    cuts.append((dimension, begin, end, stride))
            dimension += 1
        result = self.tensor(refs[0])
        if cuts:
            axes, starts, stops, steps = (self.constant(list(column)) for column in zip(*cuts))
            result = self.emit("Slice", [result, starts, stops, axes, steps])
        if shrunk:
            result = self.emit("Squeeze", [result, self.constant(shrunk)])
        if fresh:
            result = self.emit("Unsqueeze", [result, self.constant(fresh)])
        self.emit("Identity", [result], node["name"])


OPS = {op: Converter.one_to_one for op in ONE_TO_ONE} | {op: Converter.reduction for op in REDUCTIONS} | {
    "Placeholder": Converter.placeholder, "Cast": Converter.cast, "Conv2D": Converter.convolution,
    "_FusedConv2D": Converter.convolution, "DepthwiseConv2dNative": Converter.convolution,
    "FusedDepthwiseConv2dNative": Converter.convolution, "MaxPool": Converter.pool, "AvgPool": Converter.pool,
    "ResizeBilinear": Converter.resize, "SquaredDifference": Converter.squared_difference,
    "Transpose": Converter.transpose, "ExpandDims": Converter.expand_dims, "Squeeze": Converter.squeeze,
    "Pack": Converter.pack, "Unpack": Converter.unpack, "Split": Converter.split, "ConcatV2": Converter.concat,
    "GatherV2": Converter.gather, "Fill": Converter.fill, "TopKV2": Converter.top_k, "ArgMax": Converter.arg_max,
    "StridedSlice": Converter.strided_slice,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--dynamic", action="store_true", help="height and width are free")
    parser.add_argument("--input-dtype", choices=["uint8", "int32", "float32"], default="int32")
    args = parser.parse_args()

    document = json.loads(args.model.read_text())
    blob = b"".join((args.model.parent / path).read_bytes() for group in document["weightsManifest"] for path in group["paths"])
    signature = document.get("signature") or document["userDefinedMetadata"]["signature"]
    outputs = {key: entry["name"] for key, entry in signature["outputs"].items()}
    converter = Converter(document["modelTopology"]["node"], weights_of(document["weightsManifest"], blob), args)
    converter.convert(outputs)

    declared = []
    for key, entry in signature["outputs"].items():
        shape = [int(d["size"]) for d in entry["tensorShape"]["dim"]]
        declared.append(helper.make_tensor_value_info(key, TYPES[entry["dtype"]], shape))
    initialisers = [numpy_helper.from_array(array, name) for name, array in (converter.used | converter.constants).items()]
    graph = helper.make_graph(converter.out, args.model.stem, converter.inputs, declared, initialisers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9, producer_name="minewatch-tfjs2onnx")
    onnx.checker.check_model(model, full_check=False)
    part = args.output.with_suffix(".part")
    onnx.save(model, part)
    part.replace(args.output)
    print(f"{args.output}: {len(converter.out)} nodes, {len(initialisers)} constants", file=sys.stderr)


if __name__ == "__main__":
    main()
