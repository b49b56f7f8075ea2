//! One activation a row.

use super::{Columns, Folding, Thread, here, load_next, next};
use crate::engine::lanes::Arithmetic;

/// Constraints.
pub(super) const CONSTRAINTS: usize = 12;

/// The constraints of the machine, folded. Cost: about 75 products, half of them with constants.
#[inline(always)]
pub(super) fn machine<A: Arithmetic>(f: &Folding<A>, c: &Columns<'_>, row: usize) -> A::Value {
    let a = f.a;
    let [r, q, y, e, m, omega, h_w, h_x, h_y, z, p, phi] = here!(a, c.advice, row, 0 1 2 3 4 5 6 7 8 9 10 11);
    let [h_w_next, h_x_next, h_y_next, z_next, p_next, phi_next] = next!(a, c.advice, row, 6 7 8 9 10 11);
    let [t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y] = here!(a, c.fixed, row, 0 1 2 3 4 5 6 7);
    let [op_y_next] = next!(a, c.fixed, row, 7);
    let [sum, end, first_phi, first_r, first_u, rim, chain_x, expose_x, chain_y, expose_y, chain_w, product] =
        &f.weights[..]
    else {
        unreachable!("as many weights as constraints")
    };
    let one = f.small[0];

    let f1 = f.beta + r + a.scale(kappa, &f.alpha2);
    let f2 = f.beta + q + a.scale(y, &f.alpha) + a.scale(tag, &f.alpha2);
    let t = f.beta + t_in + a.scale(t_out, &f.alpha) + a.scale(t_tag, &f.alpha2);
    let both = f1 * f2;
    let lookup = ((phi_next - phi) * both - f1 - f2) * t + m * both;

    let (is_y, first) = f.indicators(op_y);
    let (_, ends) = f.indicators(op_y_next);
    let form = kappa * q + r + e + a.load(&c.instance[row..]);
    let next_x = op_x - one;
    let multiplier = a.scale(op_x * (one - next_x), &f.position_factor) + a.scale(op_x * next_x, &f.half) * z;
    // On every active row.
    let active = a.scale(lookup, sum)
        + a.scale(ends * phi_next, end)
        + a.scale(kappa * e, rim)
        + a.scale(h_x_next - y - multiplier * h_x, chain_x)
        + a.scale(next_x * (next_x - one) * (z - h_x), expose_x);
    let starts = f.starts([phi_next, z_next, p_next], [first_phi, first_r, first_u]);
    let base = h_y_next - form;
    let chain = (is_y[0] + is_y[1] + is_y[2]) * base - (a.scale(is_y[1], &f.position_factor) + is_y[2] * z) * h_y;
    let thread = Thread { op_p, omega, h_w: [h_w, h_w_next], z: [z, z_next], p: [p, p_next] };
    op_y * active
        + first * op_y_next * starts
        + a.scale(chain, chain_y)
        + a.scale(is_y[0] * (p - h_y), expose_y)
        + f.products(&thread, [chain_w, product])
}
