"""The data set of docs/adding_a_data_set.md: frames/FLIGHT/0001.png beside masks/FLIGHT/0001.png."""

from dataclasses import dataclass

from ednas_nni.data.info import LabelFacts
from ednas_nni.data.layouts.base import FolderSource
from ednas_nni.data.layouts.record import ImageRecord, RawImage
from ednas_nni.data.reading import class_ids, need_folder, read_map, read_rgb

CLASSES = ("ground", "tree", "roof")


@dataclass(eq=False)
class Drone(FolderSource):
    """Pictures of a drone with what is below it.

    Attributes:
        test: Share or number of images for the final evaluation.
        least: Leave out flights with fewer pictures.
    """

    name = "drone"
    size: tuple[int, int] = (64, 128)
    test: float = 0.2
    least: int = 1

    def described(self):
        return LabelFacts(targets=("segmentation",), classes=CLASSES)

    def listed(self):
        records = []
        for flight in sorted(need_folder(self.root, "frames").iterdir()):
            images = sorted(flight.glob("*.png"))
            if len(images) >= self.least:
                for image in images:
                    mask = self.root / "masks" / flight.name / image.name
                    files = {"image": image, **({"segmentation": mask} if mask.exists() else {})}
                    records.append(ImageRecord(f"{flight.name}/{image.stem}", flight.name, files))
        return {"train": records}

    def shares(self):
        return {**super().shares(), "test": self.test}

    def decode(self, record):
        files, labels = record.files, {}
        if "segmentation" in files:
            path = files["segmentation"]
            labels["segmentation"] = class_ids(read_map(path), len(CLASSES), path)
        return RawImage(read_rgb(files["image"]), labels)
