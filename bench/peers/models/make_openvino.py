#!/usr/bin/env python3
"""Turn an fp32 ONNX file into OpenVINO's own format, in fp32 and with weights in int8 (symmetric, one scale a row).

    make_openvino.py IN.onnx FP32.xml INT8.xml
"""
import sys

import nncf
import openvino


def main():
    source, fp32, int8 = sys.argv[1:4]
    core = openvino.Core()
    openvino.save_model(core.read_model(source), fp32, compress_to_fp16=False)
    model = nncf.compress_weights(core.read_model(source), mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(model, int8, compress_to_fp16=False)


if __name__ == "__main__":
    main()
