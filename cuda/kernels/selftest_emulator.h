// The emulator and the probe kernels. Included by selftest.cpp.
#pragma once

// Each lane's sums, matches and ballots over a warp of which the block may fill only a part.
KERNEL(test_warp, u32 *sums, u32 *matches, u32 *ballots, u64 *wide) {
    u32 t = threadIdx.x, lanes = blockDim.x - t / 32 * 32, mask = lanes >= 32 ? 0xffffffff : (1u << lanes) - 1;
    u32 v = t + 1;
    for (u32 d = 1; d < 32; d *= 2) {
        u32 below = __shfl_up_sync(mask, v, d);
        if (t % 32 >= d) v += below;
    }
    sums[t] = v;
    matches[t] = __match_any_sync(mask, t % 3);
    ballots[t] = __ballot_sync(mask, t % 5 == 0);
    wide[t] = __shfl_xor_sync(mask, u64(t) << 40, 1, 8) + __shfl_sync(mask, u64(t), 2, 4);
}
KERNEL(test_half_barrier, u32 half) {
    if (threadIdx.x < half) __syncthreads();
}
KERNEL(test_half_warp, u32 half) {
    if (threadIdx.x < half) __shfl_sync(0xffffffff, 1u, 0);
    else __syncthreads();
}
KERNEL(test_overflow, u32 extra) {
    SHARED(u32, tile, [32]);
    volatile u32 *p = tile;
    p[threadIdx.x + extra] = threadIdx.x;
}
KERNEL(test_poison, u32 *out) {
    SHARED(u32, tile, [32]);
    DYNAMIC_SHARED(u32, dynamic);
    out[threadIdx.x] = tile[threadIdx.x];
    out[32 + threadIdx.x] = dynamic[threadIdx.x];
}
KERNEL(test_order, u32 *log, u32 *count) {
    u32 threads = blockDim.x * blockDim.y * blockDim.z;
    u32 block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    u32 thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    log[atomicAdd(count, 1)] = block * threads + thread;
}
KERNEL(test_atomics, u32 *out, u64 *wide) {
    u32 t = threadIdx.x;
    atomicAdd(out, t);
    atomicMax(out + 1, t);
    atomicOr(out + 2, 1u << (t % 32));
    atomicAdd(wide, u64(1) << 32);
    u32 old = out[3];
    for (u32 seen; (seen = atomicCAS(out + 3, old, old + 2)) != old; old = seen) {}
}

template <class... A>
static int launch(const char *name, u32 grid, u32 block, u32 shared_bytes, u64 seed, A... parameters) {
    u32 g[3] = {grid, 1, 1}, b[3] = {block, 1, 1};
    void *args[] = {&parameters...};
    return inferproof_emulator_launch(name, g, b, shared_bytes, args, seed);
}

static void test_barriers(u64 seed) {
    const u32 blocks = 5, threads = 256;
    std::vector<u32> in(blocks * threads), out(blocks * threads), sums(blocks);
    for (u32 i = 0; i < in.size(); i++) in[i] = i * i + 1;
    int code = launch("probe_block_sum", blocks, threads, threads / 32 * 4, seed, sums.data(), in.data(), u32(in.size() - 7));
    EXPECT(code == 0, "%s", inferproof_emulator_error());
    code = launch("probe_block_reverse", blocks, threads, 0, seed, out.data(), in.data());
    EXPECT(code == 0, "%s", inferproof_emulator_error());
    for (u32 b = 0; b < blocks; b++) {
        u32 sum = 0;
        for (u32 t = 0; t < threads; t++) {
            if (b * threads + t < in.size() - 7) sum += in[b * threads + t];
            EXPECT(out[b * threads + t] == in[b * threads + threads - 1 - t], "reverse, seed %llu", seed);
        }
        EXPECT(sums[b] == sum, "sum, seed %llu", seed);
    }
}

static void test_warps(u32 threads, u64 seed) {
    std::vector<u32> sums(threads), matches(threads), ballots(threads);
    std::vector<u64> wide(threads);
    int code = launch("test_warp", 1, threads, 0, seed, sums.data(), matches.data(), ballots.data(), wide.data());
    EXPECT(code == 0, "%s", inferproof_emulator_error());
    for (u32 t = 0; t < threads; t++) {
        u32 sum = 0, match = 0, ballot = 0, first = t / 32 * 32;
        for (u32 i = first; i < first + 32 && i < threads; i++) {
            if (i <= t) sum += i + 1;
            match |= u32(i % 3 == t % 3) << (i % 32);
            ballot |= u32(i % 5 == 0) << (i % 32);
        }
        EXPECT(sums[t] == sum && matches[t] == match && ballots[t] == ballot, "lane %u", t);
        EXPECT(wide[t] == (u64(t ^ 1) << 40) + t / 4 * 4 + 2, "lane %u", t);
    }
}

static void test_orders() {
    const u32 grid[3] = {2, 3, 2}, block[3] = {4, 2, 3}, n = 12 * 24;
    for (u64 seed = 0; seed < 4; seed++) {
        std::vector<u32> log(n, n), seen(n, 0);
        u32 count = 0, *log_pointer = log.data(), *count_pointer = &count, moved = 0;
        void *args[] = {&log_pointer, &count_pointer};
        EXPECT(inferproof_emulator_launch("test_order", grid, block, 0, args, seed) == 0, "%s", inferproof_emulator_error());
        for (u32 i = 0; i < n; i++) {
            if (log[i] < n) seen[log[i]]++;
            moved += log[i] != (seed == 1 ? n - 1 - i : i);
        }
        for (u32 i = 0; i < n; i++) EXPECT(seen[i] == 1, "thread %u", i);
        EXPECT(seed < 2 ? moved == 0 : moved > n / 2, "seed %llu: %u", seed, moved);
    }
}

static void test_errors() {
    using namespace emulator;
#ifndef WITHOUT_BARRIERS
    EXPECT(launch("test_half_barrier", 1, 64, 0, 0, 40u) == divergent_barrier, "%s", inferproof_emulator_error());
    EXPECT(strstr(inferproof_emulator_error(), "40 wait at a barrier"), "%s", inferproof_emulator_error());
    EXPECT(launch("test_half_barrier", 1, 64, 0, 0, 64u) == 0, "%s", inferproof_emulator_error());
    EXPECT(launch("test_half_warp", 1, 32, 0, 2, 16u) == divergent_warp, "%s", inferproof_emulator_error());
#endif
    EXPECT(launch("test_overflow", 1, 32, 0, 0, 1u) == shared_memory, "%s", inferproof_emulator_error());
    EXPECT(launch("test_overflow", 1, 32, 0, 0, 0u) == 0, "%s", inferproof_emulator_error());
    EXPECT(launch("no_kernel", 1, 32, 0, 0, 0u) == unknown_kernel, "%s", inferproof_emulator_error());
    EXPECT(launch("test_overflow", 1, 1025, 0, 0, 0u) == bad_launch, "%s", inferproof_emulator_error());
    EXPECT(launch("probe_block_reverse", 1, 288, 0, 0, (u32 *)nullptr, (u32 *)nullptr) == bad_launch, "its bound is 256");
    u32 sizes[4] = {};
    EXPECT(inferproof_emulator_parameters("probe_block_sum", sizes, 4) == 3, "three parameters");
    EXPECT(sizes[0] == 8 && sizes[1] == 8 && sizes[2] == 4 && sizes[3] == 0, "their sizes");
    EXPECT(inferproof_emulator_parameters("no_kernel", sizes, 4) == -1, "no such kernel");
}

static void test_memory() {
    u32 out[64] = {}, again[64] = {}, zeros = 0, same = 0;
    EXPECT(launch("test_poison", 1, 32, 128, 0, &out[0]) == 0, "%s", inferproof_emulator_error());
    EXPECT(launch("test_poison", 1, 32, 128, 5, &again[0]) == 0, "%s", inferproof_emulator_error());
    for (int i = 0; i < 64; i++) zeros += out[i] == 0, same += out[i] == again[i];
    EXPECT(zeros == 0 && same == 0, "shared memory starts as garbage: %u zeros, %u the same for another seed", zeros, same);
    u32 words[4] = {};
    u64 wide = 0;
    EXPECT(launch("test_atomics", 3, 100, 0, 3, &words[0], &wide) == 0, "%s", inferproof_emulator_error());
    EXPECT(words[0] == 3 * 4950 && words[1] == 99 && words[2] == 0xffffffff && words[3] == 600 && wide == u64(300) << 32, "atomics");
}

// The probes run the same code as test_field; here only that each kernel is wired to its operation.
static void test_probes() {
    const u32 n = 70;
    std::vector<Fr> a(n), b(n), out(n);
    for (u32 i = 0; i < n; i++) a[i] = Fr::from_u64(i), b[i] = Fr::from_u64(1000 + i * i);
    auto run = [&](const char *name) {
        EXPECT(launch(name, 3, 32, 0, 2, out.data(), a.data(), b.data(), n) == 0, "%s", inferproof_emulator_error());
    };
    run("probe_fr_mul");
    for (u32 i = 0; i < n; i++) EXPECT(out[i] == a[i] * b[i], "%u", i);
    run("probe_fr_add");
    for (u32 i = 0; i < n; i++) EXPECT(out[i] == a[i] + b[i], "%u", i);
    run("probe_fr_sub");
    for (u32 i = 0; i < n; i++) EXPECT(out[i] == a[i] - b[i], "%u", i);
    run("probe_fr_inverse");
    for (u32 i = 1; i < n; i++) EXPECT(out[i] * a[i] == Fr::one(), "%u", i);
}

static void test_emulator() {
    for (u64 seed = 0; seed < 6; seed++) {
        test_barriers(seed);
        test_warps(96, seed);
        test_warps(56, seed);
    }
    test_orders();
    test_errors();
    test_memory();
    test_probes();
}
