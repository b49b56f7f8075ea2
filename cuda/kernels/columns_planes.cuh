// Elements of Fr in shared memory, without conflicts of banks.
#pragma once

#include "field.cuh"

// Two planes of 16 bytes an element: a warp reads 16 bytes a lane in four steps of eight lanes, so eight lanes are free of conflicts if
// their places differ modulo 8. A place is the index with its octal digits added up, without carries, in the lowest one: any three
// neighbouring bits of the index select eight different places modulo 8, and all accesses below run over three such bits but a few, which
// take two turns.
struct Planes {
    uint4 *low, *high;

    // Room for `count` elements in `memory`, of 2 `count`; below 2^12, a multiple of 8 or less than 8.
    static DEVICE Planes over(uint4 *memory, u32 count) { return Planes{memory, memory + count}; }

    DEVICE Fr get(u32 i) const {
        u32 at = place(i);
        uint4 a = low[at], b = high[at];
        return Fr{{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
    }
    DEVICE void put(u32 i, const Fr &v) const {
        u32 at = place(i);
        low[at] = uint4{v.limb[0], v.limb[1], v.limb[2], v.limb[3]};
        high[at] = uint4{v.limb[4], v.limb[5], v.limb[6], v.limb[7]};
    }

  private:
    static DEVICE u32 place(u32 i) { return i ^ ((i >> 3 ^ i >> 6 ^ i >> 9) & 7); }
};
