"""Make torchvision's compiled ops load beside a CPU-only torch.

The torchvision wheel of the package index is linked against libc10_cuda.so, libtorch_cuda.so and libcudart.so.N.  A
CPU-only torch has none of them, so `import torchvision` dies ("operator torchvision::nms does not exist") and
transformers, timm and open_clip with it.  `ensure_torchvision` compiles stand-ins for the missing libraries, whose
functions stop with a message when called, and loads them first: torchvision's CPU kernels then run as they are.
Without a C compiler torchvision is made importable, and an op of it that is called raises a UserError.

Call `ensure_torchvision()` before the first import of torchvision, timm, transformers or open_clip.  For programs that
cannot call it, `accelerate launch` among them, `python -m probing_vlp.torchvision_cpu` mends the whole environment.
"""

import ctypes
import importlib.metadata
import importlib.util
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from probing_vlp.errors import UserError
from probing_vlp.files import cache_dir

STUB_HEAD = """extern int dprintf(int, const char *, ...);
extern void abort(void);
static void *stop(const char *name) {
    dprintf(2, "error: torchvision called the CUDA function %s, but torch is CPU-only: keep tensors on CPU\\n", name);
    abort();
}
"""


_begun = False


def ensure_torchvision() -> None:
    """Make `import torchvision` work; does nothing where torch has CUDA, or the ops load by themselves."""
    global _begun
    if _begun:  # not functools.cache: mending may import torchvision, and the hook then asks for mending again
        return
    _begun = True
    import torch

    spec = importlib.util.find_spec("torchvision") if "torchvision" not in sys.modules else None
    if torch.version.cuda is not None or not sys.platform.startswith("linux") or spec is None or spec.origin is None:
        return
    ops = [Path(spec.origin).with_name(name) for name in ("_C.so", "image.so")]
    if not ops[0].exists() or _load(ops[0]) is None:
        return
    try:
        stubs = _build_stubs(ops, torch.__version__)
    except UserError as error:
        return _import_without_ops(str(error))
    for stub in sorted(stubs.iterdir()):
        if _load(Path(stub.name)) is not None:  # a real libcudart of this machine is as good
            _load(stub)
    if reason := _load(ops[0]):
        _import_without_ops(f"the stand-ins in {stubs} do not help ({reason}): delete that folder and try again")


def _load(library: Path) -> str | None:
    """The loader's complaint, None if `library` (a path, or a bare name to be searched) is now loaded."""
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return str(error)
    return None


def _build_stubs(ops: list[Path], torch_version: str) -> Path:
    """Folder of stub libraries for these versions, built aside and renamed, so that processes may race for it."""
    version = importlib.metadata.version("torchvision")
    final = cache_dir() / "torchvision-stubs" / f"torch-{torch_version}-torchvision-{version}-{os.uname().machine}"
    if final.is_dir():
        return final
    tables = [elf_symbols(path) for path in ops if path.exists()]
    source = stub_source({name for _, undefined in tables for name in undefined if "cuda" in name})
    bundled = {path.name for path in (ops[0].parents[1] / "torchvision.libs").glob("*")}
    needed = {name for names, _ in tables for name in names if "cuda" in name} - bundled
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".part-", dir=final.parent))
    except PermissionError as error:
        raise UserError(f"{error.filename}: cannot be written; set PROBING_VLP_CACHE to a folder that can") from None
    try:
        for soname in sorted(needed):
            _compile(source, aside / soname)
        aside.rename(final)
    except OSError:
        if not final.is_dir():  # it is there if another process was first
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final


def stub_source(symbols: set[str]) -> str:
    """C text that defines `symbols`: all stop when called, but for the registrations that run as _C.so is loaded."""
    lines = []
    for name in sorted(symbols):
        harmless = name.startswith("__cuda") and ("egister" in name or name.endswith("InitModule"))
        body = "return 0;" if harmless else f'return stop("{name}");'
        lines.append(f"void *{name}(void) {{ {body} }}\n")
    return STUB_HEAD + "".join(lines)


def _compile(source: str, target: Path) -> None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", ""), "cc", "gcc", "clang"))), None)
    if compiler is None:
        raise UserError("there is no C compiler to build stand-ins for the CUDA libraries: install gcc")
    # The loader insists on a version that is named like the library: torchvision asks for cudaX@libcudart.so.13.
    versions = target.with_suffix(".versions")
    versions.write_text(f"{target.name} {{ *; }};\n")
    # -nostdlib: the C library is in the process already, and its headers and link files need not be installed
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-nostdlib",
        "-w",
        f"-Wl,-soname,{target.name}",
        f"-Wl,--version-script={versions}",
        "-x",
        "c",
        "-",
        "-o",
        str(target),
    ]
    done = subprocess.run(command, input=source, text=True, capture_output=True)
    versions.unlink()
    if done.returncode:
        raise UserError(f"{compiler} could not build a stand-in for {target.name}: {done.stderr.strip()[-300:]}")


def elf_symbols(path: Path) -> tuple[list[str], list[str]]:
    """(libraries needed, symbols undefined) of a 64-bit little-endian ELF file; read here, as nm may not be there."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[:6] != b"\x7fELF\x02\x01":
            raise UserError(f"{path}: not a 64-bit little-endian ELF library; reinstall torchvision")
        start, size, count = struct.unpack_from("<Q", data, 0x28)[0], *struct.unpack_from("<HH", data, 0x3A)
        # a section: name, type, flags, address, offset, size, link, info, alignment, entry size
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, start + i * size) for i in range(count)]

        def text(strings: int, at: int) -> str:
            begin = sections[strings][4] + at
            return data[begin : data.find(b"\0", begin)].decode()

        needed, undefined = [], []
        for _, kind, _, _, offset, length, link, *_ in sections:
            body = data[offset : offset + length] if kind in (6, 11) else b""
            if kind == 6:  # SHT_DYNAMIC: (tag, value); tag 1 is DT_NEEDED
                needed += [text(link, value) for tag, value in struct.iter_unpack("<QQ", body) if tag == 1]
            if kind == 11:  # SHT_DYNSYM: name, info, other, section (0: undefined), value, size
                rows = struct.iter_unpack("<IBBHQQ", body)
                undefined += [text(link, row[0]) for row in rows if row[0] and not row[3]]
    return needed, undefined


def _import_without_ops(reason: str) -> None:
    """Import torchvision with the two schemas that its import asks for; compiled ops raise UserError when called."""
    import torch

    def stop(*_: Any, **__: Any) -> NoReturn:
        raise UserError(f"torchvision's compiled ops do not load on this CPU-only torch: {reason}")

    for op in ("torchvision::nms", "torchvision::qnms"):
        torch.library.define(op, "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torch.library.impl(op, "cpu", stop)
    import torchvision  # noqa: F401

    guards = ("_has_ops", "_assert_has_ops", "_assert_has_image_ops")  # each compiled op asks one of these first
    for name, module in list(sys.modules.items()):
        for guard in guards if name.startswith(("torchvision.ops", "torchvision.io")) else ():
            if hasattr(module, guard):
                setattr(module, guard, stop)


if __name__ == "__main__":
    import sysconfig

    from probing_vlp.torchvision_hook import install

    line = install(Path(sysconfig.get_path("purelib")))
    print(
        f"torchvision is mended in every program of this environment: {line}" if line else "torchvision loads by itself"
    )
