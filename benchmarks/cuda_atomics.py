"""The published splat in the usual CUDA form: a thread per source pixel, atomicAdd.

A peer of this project's kernels that needs no PyTorch: NVRTC compiles the source below
and the driver launches it, both through ctypes. Weights and masks are the published
ones. The colours and the two sums of a pixel are adjacent in memory, which is the
fastest layout for atomics.
"""

import ctypes
import ctypes.util
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SOURCE = r"""
#define SUMS 5  // red, green, blue, weight, coverage

extern "C" __global__ void splat(const float* image, const float* disparity,
                                 float nearest, float* sums, int width, int sources) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= sources) return;
  int column = i % width;
  float d = disparity[i];
  float x = column - d;
  float left = floorf(x), share = x - left;
  float weight = exp2f(LOG2_BASE * (d - nearest));
  for (int tap = 0; tap < 2; ++tap) {
    int target = (int)left + tap;
    if (target < 0 || target >= width) continue;
    float b = tap ? share : 1.0f - share;
    float* sum = sums + (size_t)(i - column + target) * SUMS;
    for (int c = 0; c < 3; ++c)
      atomicAdd(sum + c, b * weight * image[(size_t)i * 3 + c]);
    atomicAdd(sum + 3, b * weight);
    atomicAdd(sum + 4, b);
  }
}

extern "C" __global__ void finish(const float* sums, float* warped, float* occlusion,
                                  int targets) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= targets) return;
  const float* sum = sums + (size_t)i * SUMS;
  float scale = 1.0f / fmaxf(sum[3], 1e-6f);
  for (int c = 0; c < 3; ++c) warped[(size_t)i * 3 + c] = sum[c] * scale;
  occlusion[i] = 1.0f - fminf(sum[4], 1.0f);
}
"""
THREADS = 256


class Unavailable(RuntimeError):
    """There is no GPU, driver or compiler; the message is the reason."""


def to_ptx(architecture: str = "compute_90") -> bytes:
    """Compiles SOURCE; needs NVRTC but no GPU."""
    nvrtc = _load("nvrtc")
    program = ctypes.c_void_p()
    source = f"#define LOG2_BASE {math.log2(1.414)}f\n{SOURCE}".encode()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"s.cu", 0, 0, 0))
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={architecture}".encode())
    failed = nvrtc.nvrtcCompileProgram(program, 1, options)
    kind = "ProgramLog" if failed else "PTX"
    size = ctypes.c_size_t()
    _check(getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _check(getattr(nvrtc, f"nvrtcGet{kind}")(program, text))
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise Unavailable(f"NVRTC error {failed}: {text.value.decode()}")
    return text.value


class AtomicSplat:
    """Frames "b h w 3" and disparity "b h w" on the GPU; a call splats and waits."""

    def __init__(self, image: np.ndarray, disparity: np.ndarray):
        self._cuda = cuda = _load("cuda")
        _check(cuda.cuInit(0))
        device, context = ctypes.c_int(), ctypes.c_void_p()
        _check(cuda.cuDeviceGet(ctypes.byref(device), 0))
        # The context that JAX uses too.
        _check(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
        _check(cuda.cuCtxSetCurrent(context))
        module = ctypes.c_void_p()
        _check(
            cuda.cuModuleLoadData(ctypes.byref(module), to_ptx(self._architecture()))
        )
        self._splat, self._finish = ctypes.c_void_p(), ctypes.c_void_p()
        for name, function in ((b"splat", self._splat), (b"finish", self._finish)):
            _check(cuda.cuModuleGetFunction(ctypes.byref(function), module, name))
        self._shape, self._sources = image.shape, disparity.size
        self._nearest = ctypes.c_float(float(disparity.min()))
        self._buffers = [
            self._buffer(channels * disparity.nbytes) for channels in (3, 1, 5, 3, 1)
        ]
        for array, buffer in zip((image, disparity), self._buffers, strict=False):
            array = np.ascontiguousarray(array, np.float32)
            data = array.ctypes.data_as(ctypes.c_void_p)
            _check(cuda.cuMemcpyHtoD_v2(buffer, data, ctypes.c_size_t(array.nbytes)))

    def __call__(self) -> tuple:
        cuda = self._cuda
        image, disparity, sums, warped, occlusion = self._buffers
        width, sources = ctypes.c_int(self._shape[-2]), ctypes.c_int(self._sources)
        size = ctypes.c_size_t(5 * self._sources)
        _check(cuda.cuMemsetD32_v2(sums, ctypes.c_uint(0), size))
        arguments = (image, disparity, self._nearest, sums, width, sources)
        self._launch(self._splat, *arguments)
        self._launch(self._finish, sums, warped, occlusion, sources)
        _check(cuda.cuCtxSynchronize())
        return ()

    def result(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns (warped, occlusion) of the last call."""
        arrays = (
            np.empty(self._shape, np.float32),
            np.empty(self._shape[:-1], np.float32),
        )
        for array, buffer in zip(arrays, self._buffers[3:], strict=True):
            data = array.ctypes.data_as(ctypes.c_void_p)
            size = ctypes.c_size_t(array.nbytes)
            _check(self._cuda.cuMemcpyDtoH_v2(data, buffer, size))
        return arrays

    def __del__(self):
        for buffer in getattr(self, "_buffers", ()):
            self._cuda.cuMemFree_v2(buffer)

    def _architecture(self) -> str:
        version = []
        for attribute in (75, 76):  # compute capability, major and minor
            value = ctypes.c_int()
            _check(self._cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, 0))
            version.append(str(value.value))
        return "compute_" + "".join(version)

    def _buffer(self, size: int) -> ctypes.c_uint64:
        pointer = ctypes.c_uint64()
        _check(self._cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size)))
        return pointer

    def _launch(
        self, function: ctypes.c_void_p, *arguments: ctypes._SimpleCData
    ) -> None:
        pointers = (ctypes.c_void_p * len(arguments))(
            *(ctypes.cast(ctypes.byref(a), ctypes.c_void_p) for a in arguments)
        )
        blocks = -(-self._sources // THREADS)
        _check(
            self._cuda.cuLaunchKernel(
                function, blocks, 1, 1, THREADS, 1, 1, 0, None, pointers, None
            )
        )


def _check(status: int) -> None:
    if status:
        raise Unavailable(f"CUDA error {status}")


def _load(name: str) -> ctypes.CDLL:
    for path in _candidates(name):
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise Unavailable(f"lib{name} is not installed")


def _candidates(name: str) -> Iterator[str]:
    if library := ctypes.util.find_library(name):
        yield library
    if name == "cuda":
        yield "libcuda.so.1"
    wheels = importlib.util.find_spec("nvidia")
    for folder in wheels.submodule_search_locations if wheels else ():
        for path in sorted(Path(folder).rglob(f"lib{name}.so.*")):
            yield str(path)
