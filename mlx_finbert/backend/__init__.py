"""What MLX computes on.

Metal and CUDA run MLX's own functions, and the models are written with these. MLX's CPU backend on
Linux is slow in some of them: the room `linux_cpu` has others. Nothing outside of this package asks
which of the two it is: it calls `interface.py`, and a command calls `process.py` before that.
"""
