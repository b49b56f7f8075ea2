// Sums, products and scans over a block's elements by a tree in shared memory.
#pragma once

#include "columns_planes.cuh"

constexpr u32 tree_leaves = 256; // one a thread
constexpr u32 tree_levels = 8;
constexpr u32 tree_chunk = 4; // elements a thread
constexpr u32 tree_tile = tree_leaves * tree_chunk;

// The nodes: 1 is the root, 2 i and 2 i + 1 are under i, 256 + t is the leaf of thread t. An `Op` says
//   join(lower, upper, level)            what two neighbours come to; level 0 joins leaves
//   split(above, lower, upper, level)    replaces two neighbours by what belongs to each, given what belongs to both
#define TREE(name)                              \
    SHARED(uint4, name##_memory, [4 * tree_leaves]); \
    Tree name{Planes::over(&name##_memory[0], 2 * tree_leaves)}

struct Tree {
    Planes nodes;

    // The value of the root, in thread 0.
    template <class Op> DEVICE Fr up(const Op &op, const Fr &leaf) const {
        const u32 t = threadIdx.x;
        nodes.put(tree_leaves + t, leaf);
#pragma unroll 1
        for (u32 level = 0; level < tree_levels; level++) {
            u32 width = tree_leaves >> (level + 1);
            __syncthreads();
            if (t < width) nodes.put(width + t, op.join(nodes.get(2 * (width + t)), nodes.get(2 * (width + t) + 1), level));
        }
        return t == 0 ? nodes.get(1) : leaf;
    }

    // What belongs to the thread's leaf, after `up`; `root` counts in thread 0.
    template <class Op> DEVICE Fr down(const Op &op, const Fr &root) const {
        const u32 t = threadIdx.x;
        if (t == 0) nodes.put(1, root);
#pragma unroll 1
        for (u32 level = tree_levels; level-- > 0;) {
            u32 width = tree_leaves >> (level + 1);
            __syncthreads();
            if (t < width) {
                Fr lower = nodes.get(2 * (width + t)), upper = nodes.get(2 * (width + t) + 1);
                op.split(nodes.get(width + t), lower, upper, level);
                nodes.put(2 * (width + t), lower);
                nodes.put(2 * (width + t) + 1, upper);
            }
        }
        __syncthreads();
        return nodes.get(tree_leaves + t);
    }
};

// Values of polynomials; to each belongs the value of what is above it. `powers[i]` = x^(2^i), with x^(what a leaf holds) first.
struct Horner {
    const Fr *powers;
    DEVICE Fr join(const Fr &lower, const Fr &upper, u32 level) const { return lower + upper * Fr::load(powers + level); }
    DEVICE void split(const Fr &above, Fr &lower, Fr &upper, u32 level) const {
        lower = join(upper, above, level);
        upper = above;
    }
};

struct Product {
    static DEVICE Fr none() { return Fr::one(); }
    static DEVICE Fr of(const Fr &a, const Fr &b) { return a * b; }
};
struct Sum {
    static DEVICE Fr none() { return Fr::zero(); }
    static DEVICE Fr of(const Fr &a, const Fr &b) { return a + b; }
};

// Products or sums; to each belongs that of all before it.
template <class Of> struct Running {
    DEVICE Fr join(const Fr &lower, const Fr &upper, u32) const { return Of::of(lower, upper); }
    DEVICE void split(const Fr &before, Fr &lower, Fr &upper, u32) const {
        upper = Of::of(before, lower);
        lower = before;
    }
};

// Products; to each belongs its inverse.
struct Inverse {
    DEVICE Fr join(const Fr &lower, const Fr &upper, u32) const { return lower * upper; }
    DEVICE void split(const Fr &inverse, Fr &lower, Fr &upper, u32) const {
        Fr other = inverse * lower;
        lower = inverse * upper;
        upper = other;
    }
};
