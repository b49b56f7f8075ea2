//! Two activations a row.

use super::{Columns, Constants, Folding, Thread, here, load_next, next};
use crate::engine::lanes::Arithmetic;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// Constraints.
pub(super) const CONSTRAINTS: usize = 13;

/// What depends on a lane's code `v`, as coefficients of polynomials in it.
pub(super) struct LaneFactors<A: Arithmetic> {
    /// `v` times what `step-u` multiplies by, from the constant coefficient on: of the consumer chain, and of the producer chain.
    native: [(A::Value, [A::Factor; 2]); 2],
    /// `v` times the weight of the earlier element, from the coefficient of `v` on.
    weight: [[A::Factor; 3]; 2],
}

/// Coefficients of the quadratic polynomial with these values at 1, 2, 3.
fn quadratic([a, b, c]: [Fr; 3]) -> [Fr; 3] {
    let half = Fr::from(2).invert().expect("2 is not 0");
    let second = (a - b.double() + c) * half;
    let first = b - a - second * Fr::from(3);
    [a - first - second, first, second]
}

impl<A: Arithmetic> LaneFactors<A> {
    #[inline(always)]
    pub(super) fn new(a: A, c: &Constants) -> Self {
        let u = c.machine.position;
        let (square, [one, two, three]) = (u.square(), [1, 2, 3].map(Fr::from));
        let native = |values: [Fr; 3]| {
            let [constant, first, second] = quadratic(values);
            (a.splat(constant), [a.factor(first), a.factor(second)])
        };
        // A cubic polynomial that is 0 at 0 is `v` times a quadratic one.
        let weight = |values: [Fr; 3]| quadratic(values).map(|c| a.factor(c));
        Self {
            native: [native([u, square * two, u * three]), native([u, square * two, square.square() * three])],
            weight: [weight([Fr::ZERO, u, one]), weight([Fr::ZERO, u, square])],
        }
    }

    /// Of chain `which`, at lane code `v` with its square: the native multiplier and the earlier element's weight, each times `v`.
    #[inline(always)]
    fn at(&self, a: A, which: usize, v: A::Value, square: A::Value) -> [A::Value; 2] {
        let (constant, [first, second]) = &self.native[which];
        let [w1, w2, w3] = &self.weight[which];
        let native = *constant + a.scale(v, first) + a.scale(square, second);
        [native, a.scale(v, w1) + a.scale(square, w2) + a.scale(square * v, w3)]
    }
}

/// The constraints of the machine, folded. Cost: about 108 products, half of them with constants.
#[inline(always)]
pub(super) fn machine<A: Arithmetic>(f: &Folding<A>, lanes: &LaneFactors<A>, c: &Columns<'_>, row: usize) -> A::Value {
    let a = f.a;
    let [r0, q0, y0, r, q, y, m, e] = here!(a, c.advice, row, 0 1 2 3 4 5 6 7);
    let [omega, h_w, h_x, h_y, z, p, psi, phi] = here!(a, c.advice, row, 8 9 10 11 12 13 14 15);
    let [h_w_next, h_x_next, h_y_next, z_next, p_next, phi_next] = next!(a, c.advice, row, 9 10 11 12 13 15);
    let [t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y, lane_x, lane_y] =
        here!(a, c.fixed, row, 0 1 2 3 4 5 6 7 8 9);
    let [lane_y_next] = next!(a, c.fixed, row, 9);
    let [part, sum, end, first_phi, first_r, first_u, rim, chain_x, expose_x, chain_y, expose_y, chain_w, product] =
        &f.weights[..]
    else {
        unreachable!("as many weights as constraints")
    };
    let one = f.small[0];

    let range = f.beta + a.scale(kappa, &f.alpha2);
    let function = f.beta + a.scale(tag, &f.alpha2);
    let f1 = range + r;
    let f2 = function + q + a.scale(y, &f.alpha);
    let f3 = range + r0;
    let f4 = function + q0 + a.scale(y0, &f.alpha);
    let t = f.beta + t_in + a.scale(t_out, &f.alpha) + a.scale(t_tag, &f.alpha2);
    let both = f3 * f4;
    let others = f2 * (psi * both - (f3 + f4)) - both;
    let lookup = ((phi_next - phi - psi) * t + m) * f1 - t;

    let square = lane_y * lane_y;
    let [by_x, weight_x] = lanes.at(a, 0, lane_x, lane_x * lane_x);
    let [by_y, weight_y] = lanes.at(a, 1, lane_y, square);
    let (_, first) = f.indicators(lane_y);
    let (_, ends) = f.indicators(lane_y_next);
    let form = kappa * q + r + e + a.load(&c.instance[row..]);
    let earlier = kappa * q0 + r0;
    let (next_x, next_y) = (op_x - one, op_y - one);
    let step_x = op_x * (one - next_x) * by_x + a.scale(op_x * next_x, &f.half) * (lane_x * z);
    let step_y = op_y * (one - next_y) * by_y + a.scale(op_y * next_y, &f.half) * (lane_y * z);
    let (reset_x, reset_y) = (next_x * (next_x - one), next_y * (next_y - one));
    // On every active row.
    let by_lane_y = a.scale(others, part)
        + a.scale(lookup, sum)
        + a.scale(ends * phi_next, end)
        + a.scale(kappa * e, rim)
        + a.scale(h_y_next - form, chain_y)
        + a.scale(reset_y * (p - h_y), expose_y);
    let by_lane_x = a.scale(h_x_next - y, chain_x) + a.scale(reset_x * (z - h_x), expose_x);
    let starts = f.starts([phi_next, z_next, p_next], [first_phi, first_r, first_u]);
    let thread = Thread { op_p, omega, h_w: [h_w, h_w_next], z: [z, z_next], p: [p, p_next] };
    lane_y * by_lane_y + lane_x * by_lane_x
        - a.scale(step_x * h_x + weight_x * y0, chain_x)
        - a.scale(step_y * h_y + weight_y * earlier, chain_y)
        + first * lane_y_next * starts
        + f.products(&thread, [chain_w, product])
}
