"""Run an exported ONNX file: python run_onnx.py network.onnx image.npy out.npz; the image is bytes (H, W, 3)."""

import json
import sys

import numpy as np
import onnxruntime
from host import decoded, enlarged

session = onnxruntime.InferenceSession(sys.argv[1])
facts = json.loads(session.get_modelmeta().custom_metadata_map["ednas"])
height, width = (round(side / facts.get("resolution", 1)) for side in facts["input"]["shape"][2:])
image = np.load(sys.argv[2], allow_pickle=False)[None].transpose(0, 3, 1, 2).astype(np.float32) / 255
names = [result["name"] for result in facts["results"]]
outputs = session.run(names, {facts["input"]["name"]: image})
np.savez(
    sys.argv[3],
    **{
        r["task"]: decoded(enlarged(x[0], r["enlarge"])[..., :height, :width], r)
        for r, x in zip(facts["results"], outputs, strict=True)
    },
)
