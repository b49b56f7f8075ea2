// One function per PTX instruction of the carry chains: PTX on the device, the same bits in C on the host.
//
// A chain is a run of calls `x_cc, xc_cc ..., xc` with nothing between them that sets the carry. `volatile` keeps their order.
#pragma once

#include "platform.cuh"

namespace ptx {

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)

#define PTX_2(name, instruction)                                                  \
    DEVICE u32 name(u32 a, u32 b) {                                               \
        u32 r;                                                                    \
        asm volatile(instruction " %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));      \
        return r;                                                                 \
    }
#define PTX_3(name, instruction)                                                          \
    DEVICE u32 name(u32 a, u32 b, u32 c) {                                                \
        u32 r;                                                                            \
        asm volatile(instruction " %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c));  \
        return r;                                                                         \
    }
PTX_2(add_cc, "add.cc.u32")
PTX_2(addc_cc, "addc.cc.u32")
PTX_2(addc, "addc.u32")
PTX_2(sub_cc, "sub.cc.u32")
PTX_2(subc_cc, "subc.cc.u32")
PTX_2(subc, "subc.u32")
PTX_3(mad_lo_cc, "mad.lo.cc.u32")
PTX_3(madc_lo_cc, "madc.lo.cc.u32")
PTX_3(madc_hi_cc, "madc.hi.cc.u32")
PTX_3(madc_hi, "madc.hi.u32")
#undef PTX_2
#undef PTX_3
DEVICE u32 mul_lo(u32 a, u32 b) { return a * b; }
DEVICE u32 mul_hi(u32 a, u32 b) { return __umulhi(a, b); }

#else

inline thread_local u32 carry; // CC.CF: the carry of an addition, the borrow of a subtraction

inline u32 set_carry(u64 sum) {
    carry = static_cast<u32>(sum >> 32) & 1;
    return static_cast<u32>(sum);
}
inline u32 mul_lo(u32 a, u32 b) { return a * b; }
inline u32 mul_hi(u32 a, u32 b) { return static_cast<u32>((u64(a) * b) >> 32); }
inline u32 add_cc(u32 a, u32 b) { return set_carry(u64(a) + b); }
inline u32 addc_cc(u32 a, u32 b) { return set_carry(u64(a) + b + carry); }
inline u32 addc(u32 a, u32 b) { return a + b + carry; }
inline u32 sub_cc(u32 a, u32 b) { return set_carry(u64(a) - b); }
inline u32 subc_cc(u32 a, u32 b) { return set_carry(u64(a) - b - carry); }
inline u32 subc(u32 a, u32 b) { return a - b - carry; }
inline u32 mad_lo_cc(u32 a, u32 b, u32 c) { return set_carry(u64(mul_lo(a, b)) + c); }
inline u32 madc_lo_cc(u32 a, u32 b, u32 c) { return set_carry(u64(mul_lo(a, b)) + c + carry); }
inline u32 madc_hi_cc(u32 a, u32 b, u32 c) { return set_carry(u64(mul_hi(a, b)) + c + carry); }
inline u32 madc_hi(u32 a, u32 b, u32 c) { return mul_hi(a, b) + c + carry; }

#endif

} // namespace ptx
