"""The devices that MLX computes on.

Metal and CUDA run MLX's own functions, and the models are written with these. Some of them are slow
on MLX's CPU backend for Linux, so the package `linux_cpu` has replacements. Code outside of this
package does not check the device: it calls `interface.py`. Commands call `process.py` first.
"""
