// Fields against schoolbook integers, the curve against chord and tangent in affine coordinates. Included by selftest.cpp.
#pragma once

#include <cstring>

// A non-negative integer of 512 bits, as slow and plain as can be: the oracle.
struct Big {
    u64 w[8];

    static Big of(const u32 *limbs) {
        Big r = {};
        for (int i = 0; i < 8; i++) r.w[i / 2] |= u64(limbs[i]) << (i % 2 * 32);
        return r;
    }
    static Big of_hex(const char *hex) {
        Big r = {};
        for (; *hex; hex++) {
            for (int i = 7; i > 0; i--) r.w[i] = (r.w[i] << 4) | (r.w[i - 1] >> 60);
            r.w[0] = (r.w[0] << 4) | static_cast<u64>(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
        }
        return r;
    }
    bool operator==(const Big &b) const { return memcmp(w, b.w, sizeof w) == 0; }
    bool below(const Big &b) const {
        for (int i = 7; i >= 0; i--)
            if (w[i] != b.w[i]) return w[i] < b.w[i];
        return false;
    }
    Big plus(const Big &b) const {
        Big r;
        unsigned __int128 c = 0;
        for (int i = 0; i < 8; i++) r.w[i] = static_cast<u64>(c += static_cast<unsigned __int128>(w[i]) + b.w[i]), c >>= 64;
        return r;
    }
    Big minus(const Big &b) const {
        Big r;
        u64 borrow = 0;
        for (int i = 0; i < 8; i++) {
            unsigned __int128 d = static_cast<unsigned __int128>(w[i]) - b.w[i] - borrow;
            r.w[i] = static_cast<u64>(d);
            borrow = static_cast<u64>(d >> 64) & 1;
        }
        return r;
    }
    // Of the low 256 bits of each.
    Big times(const Big &b) const {
        Big r = {};
        for (int i = 0; i < 4; i++) {
            unsigned __int128 c = 0;
            for (int j = 0; j < 4; j++) {
                c += static_cast<unsigned __int128>(w[i]) * b.w[j] + r.w[i + j];
                r.w[i + j] = static_cast<u64>(c);
                c >>= 64;
            }
            r.w[i + 4] = static_cast<u64>(c);
        }
        return r;
    }
    // Bit by bit.
    Big modulo(const Big &p) const {
        Big r = {};
        for (int i = 511; i >= 0; i--) {
            r = r.plus(r);
            r.w[0] |= (w[i / 64] >> (i % 64)) & 1;
            if (!r.below(p)) r = r.minus(p);
        }
        return r;
    }
    Big shifted_256() const { return Big{{0, 0, 0, 0, w[0], w[1], w[2], w[3]}}; }
};

template <class P> Field<P> field_of(const Big &b) {
    Field<P> r;
    memcpy(r.limb, b.w, 32);
    return r;
}

template <class P> void test_pair(const char *name, const Big &p, const Big &a, const Big &b) {
    Field<P> x = field_of<P>(a), y = field_of<P>(b);
    Big sum = a.plus(b), difference = a.plus(p).minus(b), product = Big::of((x * y).limb);
    EXPECT(Big::of((x + y).limb) == (sum.below(p) ? sum : sum.minus(p)), "%s", name);
    EXPECT(Big::of((x - y).limb) == (difference.below(p) ? difference : difference.minus(p)), "%s", name);
    EXPECT(product.below(p) && product.shifted_256().modulo(p) == a.times(b).modulo(p), "%s", name);
    EXPECT((x == y) == (a == b) && (x + -x).is_zero(), "%s", name);
}

template <class P> void test_constants(const char *name, const Big &p) {
    typedef Field<P> F;
    Big one = {{1}}, r = one.shifted_256().modulo(p);
    Big modulus = {}, r_squared = r.times(r).modulo(p);
    for (int i = 0; i < 8; i++) modulus.w[i / 2] |= u64(P::modulus(i)) << (i % 2 * 32);
    EXPECT(modulus == p, "%s", name);
    EXPECT(P::negated_inverse * p.w[0] == ~u64(0), "%s", name);
    EXPECT(Big::of(F::one().limb) == r, "%s", name);
    EXPECT(Big::of(field_of<P>(one).from_canonical().limb) == r, "%s: r_squared", name);
    for (int i = 0; i < 8; i++) EXPECT(P::r_squared(i) == static_cast<u32>(r_squared.w[i / 2] >> (i % 2 * 32)), "%s", name);
}

template <class P> void test_field(const char *name, u32 pairs, const char *modulus) {
    typedef Field<P> F;
    Big p = Big::of_hex(modulus), one = {{1}};
    test_constants<P>(name, p);
    emulator::Random random(7);
    Big edges[40];
    int n = 0;
    for (u64 i = 0; i < 3; i++) edges[n++] = Big{{i}}, edges[n++] = p.minus(Big{{i + 1}});
    Big r = one.shifted_256().modulo(p);
    edges[n++] = r;
    edges[n++] = p.minus(r);
    for (int bits = 31; bits < 254; bits += 16) {
        Big power = {};
        power.w[bits / 64] = u64(1) << (bits % 64);
        edges[n++] = power.minus(one); // runs of ones: long carries
        edges[n++] = p.minus(power);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) test_pair<P>(name, p, edges[i].modulo(p), edges[j].modulo(p));
    auto draw = [&] {
        Big b = {};
        for (int i = 0; i < 4; i++) {
            u64 shape = random.next() % 16;
            b.w[i] = shape == 0 ? 0 : shape == 1 ? ~u64(0) : random.next();
        }
        b.w[3] &= (u64(1) << 62) - 1;
        while (!b.below(p)) b = b.minus(p);
        return b;
    };
    for (u32 i = 0; i < pairs; i++) test_pair<P>(name, p, draw(), draw());
    for (int i = 0; i < 50; i++) {
        F a = field_of<P>(draw());
        EXPECT(a.inverse() * a == F::one() || a.is_zero(), "%s", name);
        EXPECT(a.to_canonical().from_canonical() == a, "%s", name);
        EXPECT(a.pow(5) == a * a * a * a * a && a.pow(0) == F::one() && a.pow(1) == a, "%s", name);
        EXPECT(a.sqr() == a * a && a.dbl() == a + a, "%s", name);
    }
    EXPECT(F::zero().inverse().is_zero() && F::from_u64(3) == F::one() + F::one() + F::one(), "%s", name);
}

static Affine affine_of(const Xyzz &p) {
    if (p.is_identity()) return Affine::identity();
    EXPECT(p.zz.sqr() * p.zz == p.zzz.sqr(), "zz^3 = zzz^2");
    Jacobian j = p.to_jacobian();
    Fq z = j.z.inverse();
    Affine a = {j.x * z.sqr(), j.y * z.sqr() * z};
    EXPECT(a.x == p.x * p.zz.inverse() && a.y == p.y * p.zzz.inverse(), "to_jacobian");
    return a;
}

// Chord and tangent.
static Affine affine_sum(const Affine &a, const Affine &b) {
    if (a.is_identity()) return b;
    if (b.is_identity()) return a;
    Fq slope;
    if (a.x == b.x) {
        if (a.y != b.y) return Affine::identity();
        slope = Fq::from_u64(3) * a.x.sqr() * a.y.dbl().inverse();
    } else {
        slope = (b.y - a.y) * (b.x - a.x).inverse();
    }
    Fq x = slope.sqr() - a.x - b.x;
    return Affine{x, slope * (a.x - x) - a.y};
}

static bool same(const Affine &a, const Affine &b) { return a.x == b.x && a.y == b.y; }

static void test_curve() {
    Affine points[14];
    points[0] = Affine::identity();
    points[1] = Affine{Fq::one(), Fq::from_u64(2)};
    for (int i = 2; i < 8; i++) points[i] = affine_sum(points[i - 1], points[1]);
    for (int i = 8; i < 14; i++) points[i] = points[i - 7].neg();
    for (const Affine &p : points)
        EXPECT(p.is_identity() || p.y.sqr() == p.x.sqr() * p.x + Fq::from_u64(3), "on the curve");
    // Every pair, so equal, opposite and identity operands too, with denominators of 1 and others.
    for (const Affine &a : points)
        for (const Affine &b : points) {
            Affine twice_a = affine_sum(a, a), twice_b = affine_sum(b, b);
            Xyzz p = Xyzz::from_affine(a), q = Xyzz::from_affine(b);
            EXPECT(same(affine_of(p.dbl()), twice_a), "dbl");
            EXPECT(same(affine_of(p.add(b)), affine_sum(a, b)), "mixed");
            EXPECT(same(affine_of(p.dbl().add(b)), affine_sum(twice_a, b)), "mixed");
            EXPECT(same(affine_of(p.add(q)), affine_sum(a, b)), "full");
            EXPECT(same(affine_of(p.dbl().add(q)), affine_sum(twice_a, b)), "full");
            EXPECT(same(affine_of(p.dbl().add(q.dbl())), affine_sum(twice_a, twice_b)), "full");
            EXPECT(same(affine_of(p.dbl().neg()), twice_a.neg()), "neg");
        }
}
