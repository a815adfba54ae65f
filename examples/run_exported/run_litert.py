"""Run an exported .tflite file: python run_litert.py network.tflite image.npy out.npz; the image is bytes (H, W, 3)."""

import json
import pathlib
import sys

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from host import decoded, enlarged

model = schema.Model.GetRootAs(pathlib.Path(sys.argv[1]).read_bytes())
entries = [model.Metadata(i) for i in range(model.MetadataLength())]
buffer = next(entry.Buffer() for entry in entries if entry.Name() == b"ednas")
facts = json.loads(model.Buffers(buffer).DataAsNumpy().tobytes())
interpreter = Interpreter(sys.argv[1])
interpreter.allocate_tensors()
image, given = np.load(sys.argv[2], allow_pickle=False)[None].astype(np.float32) / 255, facts["input"]
if given["scale"]:
    image = np.rint(image / given["scale"]) + given["zero_point"]
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image.astype(given["type"]))
interpreter.invoke()
indices = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
results, (height, width) = {}, (round(side / facts.get("resolution", 1)) for side in given["shape"][1:3])
for r in facts["results"]:
    x = interpreter.get_tensor(indices[r["name"]])[0]
    x = (x.astype(np.float32) - r["zero_point"]) * r["scale"] if r["scale"] else x
    x = x.transpose(2, 0, 1) if r["layout"] == "NHWC" else x
    results[r["task"]] = decoded(enlarged(x, r["enlarge"])[..., :height, :width], r)
np.savez(sys.argv[3], **results)
