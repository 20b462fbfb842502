#!/usr/bin/env python3
"""Quantise an fp32 ONNX file as the public release's q8 and q4 files are.

    quantise_onnx.py IN.onnx Q8.onnx Q4.onnx

q8: `quantize_dynamic`, MatMul and Gather with signed 8-bit weights. q4: MatMulNBits and, for the embedding table,
GatherBlockQuantized, in blocks of 32, symmetric, with accuracy level 4, which lets ONNX Runtime multiply in int8.
"""
import sys

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer


def main():
    source, q8, q4 = sys.argv[1:4]
    quantize_dynamic(
        source, q8, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gather"], use_external_data_format=True,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},  # shape inference does not know the fused operators
    )  # fmt: skip
    quantizer = MatMulNBitsQuantizer(
        onnx.load(source), bits=4, block_size=32, is_symmetric=True, accuracy_level=4,
        op_types_to_quantize=("MatMul", "Gather"), quant_axes=(("MatMul", 0), ("Gather", 1)),
    )  # fmt: skip
    quantizer.process()
    quantizer.model.save_model_to_file(q4, use_external_data_format=True)


if __name__ == "__main__":
    main()
