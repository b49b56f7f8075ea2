// The emulator and all kernels as one translation unit, so that a static library cannot lose the kernels' registrations.
#include "emulator.cpp"

#include "all.cu"
