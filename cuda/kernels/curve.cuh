// BN254's G1: y^2 = x^3 + 3 over Fq, of odd prime order, so no point has y = 0 and doubling has no special case.
//
// Formulas: madd-2008-s, add-2008-s and dbl-2008-s-1 of the Explicit-Formulas Database (XYZZ, a = 0).
#pragma once

#include "field.cuh"

// The bytes of halo2curves' G1Affine; (0, 0) is the identity.
struct Affine {
    Fq x, y;

    static DEVICE Affine identity() { return Affine{Fq::zero(), Fq::zero()}; }
    static DEVICE Affine load(const Affine *p) { return Affine{Fq::load(&p->x), Fq::load(&p->y)}; }
    DEVICE void store(Affine *p) const {
        x.store(&p->x);
        y.store(&p->y);
    }
    DEVICE bool is_identity() const { return x.is_zero() && y.is_zero(); }
    DEVICE Affine neg() const { return Affine{x, -y}; }
};
static_assert(sizeof(Affine) == 64, "the layout of halo2curves");

// The point (x / z^2, y / z^3); the identity has z = 0.
struct Jacobian {
    Fq x, y, z;

    DEVICE void store(Jacobian *p) const {
        x.store(&p->x);
        y.store(&p->y);
        z.store(&p->z);
    }
};
static_assert(sizeof(Jacobian) == 96, "three elements for new_jacobian");

// The point (x / zz, y / zzz) with zz^3 = zzz^2; the identity has zz = zzz = 0. All operations are complete.
struct Xyzz {
    Fq x, y, zz, zzz;

    static DEVICE Xyzz identity() { return Xyzz{Fq::zero(), Fq::zero(), Fq::zero(), Fq::zero()}; }
    static DEVICE Xyzz from_affine(const Affine &p) {
        if (p.is_identity()) return identity();
        return Xyzz{p.x, p.y, Fq::one(), Fq::one()};
    }
    static DEVICE Xyzz load(const Xyzz *p) {
        return Xyzz{Fq::load(&p->x), Fq::load(&p->y), Fq::load(&p->zz), Fq::load(&p->zzz)};
    }
    DEVICE void store(Xyzz *p) const {
        x.store(&p->x);
        y.store(&p->y);
        zz.store(&p->zz);
        zzz.store(&p->zzz);
    }

    DEVICE bool is_identity() const { return zz.is_zero(); }
    DEVICE Xyzz neg() const { return Xyzz{x, -y, zz, zzz}; }

    // The identity needs no case: zz = zzz = 0 stay 0.
    DEVICE Xyzz dbl() const {
        Fq u = y.dbl(), v = u.sqr(), w = u * v, s = x * v, xx = x.sqr(), m = xx.dbl() + xx;
        Fq x3 = m.sqr() - s.dbl();
        return Xyzz{x3, m * (s - x3) - w * y, v * zz, w * zzz};
    }

    DEVICE Xyzz add(const Affine &b) const {
        if (b.is_identity()) return *this;
        if (is_identity()) return from_affine(b);
        Fq p = b.x * zz - x, r = b.y * zzz - y;
        if (p.is_zero()) return r.is_zero() ? rare_dbl(from_affine(b)) : identity();
        Fq pp = p.sqr(), ppp = p * pp;
        return sum(x * pp, y, r, ppp, zz * pp, zzz * ppp);
    }

    DEVICE Xyzz add(const Xyzz &b) const {
        if (b.is_identity()) return *this;
        if (is_identity()) return b;
        Fq u = x * b.zz, s = y * b.zzz;
        Fq p = b.x * zz - u, r = b.y * zzz - s;
        if (p.is_zero()) return r.is_zero() ? rare_dbl(b) : identity();
        Fq pp = p.sqr(), ppp = p * pp;
        return sum(u * pp, s, r, ppp, zz * b.zz * pp, zzz * b.zzz * ppp);
    }

    // Without an inversion: take z = zz. Then x' = x zz gives x' / z^2 = x / zz, and y' = y zzz gives
    // y' / z^3 = y zzz / zz^3 = y zzz / zzz^2 = y / zzz. The identity gives z = 0.
    DEVICE Jacobian to_jacobian() const { return Jacobian{x * zz, y * zzz, zz}; }

  private:
    // A call and not inlined: equal operands are rare, and a doubling in each addition would nearly double the code.
    static DEVICE_NOINLINE Xyzz rare_dbl(const Xyzz &p) { return p.dbl(); }

    // q is the first point's x, s its y, over the common denominator.
    static DEVICE Xyzz sum(const Fq &q, const Fq &s, const Fq &r, const Fq &ppp, const Fq &zz, const Fq &zzz) {
        Fq x3 = r.sqr() - ppp - q.dbl();
        return Xyzz{x3, r * (q - x3) - s * ppp, zz, zzz};
    }
};
static_assert(sizeof(Xyzz) == 128, "four elements");
