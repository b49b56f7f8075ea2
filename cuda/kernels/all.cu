// Every kernel, in one module.
#include "probe.cu"
#include "ntt.cu"
#include "columns.cu"
#include "quotient.cu"
#include "msm.cu"
