//! The gates. Ids stand above each constraint and in `docs/spec/machine.md`.

use super::{DEGREE, Machine, PairColumns, Parameters};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Column, ConstraintSystem, Expression, Fixed, VirtualCells};
use halo2_proofs::poly::Rotation;

type Expr = Expression<Fr>;

fn constant(value: u64) -> Expr {
    Expression::Constant(Fr::from(value))
}

fn scaled_inverse(expression: Expr, divisor: u64) -> Expr {
    expression * Fr::from(divisor).invert().expect("a small non-zero integer")
}

/// 1 where `op = which`, 0 at the other values of `{0, 1, 2, 3}`; `which` in 1..=3.
fn indicator(op: &Expr, which: u64) -> Expr {
    let others = (1..=3).filter(|v| *v != which).map(|v| op.clone() - constant(v));
    let product = others.fold(op.clone(), |product, factor| product * factor);
    // At `which` the product is 1*(-1)*(-2) = 2, 2*1*(-1) = -2, 3*2*1 = 6.
    match which {
        1 => scaled_inverse(product, 2),
        2 => -scaled_inverse(product, 2),
        _ => scaled_inverse(product, 6),
    }
}

/// Non-zero at 0, zero at 1, 2, 3.
fn inactive(op: &Expr) -> Expr {
    (op.clone() - constant(1)) * (op.clone() - constant(2)) * (op.clone() - constant(3))
}

/// Every cell that a gate reads.
struct Cells {
    inst: Expr,
    r: Expr,
    q: Expr,
    y: Expr,
    e: Expr,
    m: Expr,
    omega: Expr,
    h_w: [Expr; 2],
    h_x: [Expr; 2],
    h_y: [Expr; 2],
    z: [Expr; 2],
    p: [Expr; 2],
    phi: [Expr; 2],
    table: [Expr; 3],
    tag: Expr,
    kappa: Expr,
    op_p: Expr,
    op_x: Expr,
    op_y: Expr,
    /// Non-zero on the active rows alone: 1, 2 or 3; on this row and the next.
    active: [Expr; 2],
    pair: Option<PairCells>,
    channel: Expr,
    position: Expr,
    alpha: Expr,
    beta: Expr,
}

/// What a gate reads of the earlier of two elements on a row.
struct PairCells {
    r: Expr,
    q: Expr,
    y: Expr,
    psi: Expr,
    /// How it enters the consumer chain; 1, 2 or 3 on active rows.
    lane_x: Expr,
}

impl Cells {
    fn query(v: &mut VirtualCells<'_, Fr>, machine: &Machine) -> Self {
        let fixed = |v: &mut VirtualCells<'_, Fr>, c: Column<Fixed>| v.query_fixed(c, Rotation::cur());
        let here = |v: &mut VirtualCells<'_, Fr>, c: Column<Advice>| v.query_advice(c, Rotation::cur());
        let both = |v: &mut VirtualCells<'_, Fr>, c: Column<Advice>| {
            [v.query_advice(c, Rotation::cur()), v.query_advice(c, Rotation::next())]
        };
        let m = machine;
        // The order of the queries is that of the values in a proof.
        let pair = m.pair.map(|PairColumns { earlier: [r, q, y], psi, lane_x, .. }| PairCells {
            r: here(v, r),
            q: here(v, q),
            y: here(v, y),
            psi: here(v, psi),
            lane_x: fixed(v, lane_x),
        });
        let activity = m.pair.map_or(m.op_y, |pair| pair.lane_y);
        Self {
            inst: v.query_instance(m.inst, Rotation::cur()),
            r: here(v, m.r),
            q: here(v, m.q),
            y: here(v, m.y),
            e: here(v, m.e),
            m: here(v, m.m),
            omega: here(v, m.omega),
            h_w: both(v, m.h_w),
            h_x: both(v, m.h_x),
            h_y: both(v, m.h_y),
            z: both(v, m.z),
            p: both(v, m.p),
            phi: both(v, m.phi),
            table: [fixed(v, m.t_tag), fixed(v, m.t_in), fixed(v, m.t_out)],
            tag: fixed(v, m.tag),
            kappa: fixed(v, m.kappa),
            op_p: fixed(v, m.op_p),
            op_x: fixed(v, m.op_x),
            op_y: fixed(v, m.op_y),
            active: [fixed(v, activity), v.query_fixed(activity, Rotation::next())],
            pair,
            channel: v.query_challenge(m.challenges.channel),
            position: v.query_challenge(m.challenges.position),
            alpha: v.query_challenge(m.challenges.alpha),
            beta: v.query_challenge(m.challenges.beta),
        }
    }
}

pub(super) fn create(cs: &mut ConstraintSystem<Fr>, machine: &Machine, parameters: Parameters) {
    cs.create_gate("machine", |v| {
        let cells = Cells::query(v, machine);
        let mut constraints = lookups(&cells);
        constraints.extend(first_row(&cells));
        constraints.extend(chains(&cells));
        constraints.extend(products(&cells));
        retain(&mut constraints, parameters);
        for (id, constraint) in &constraints {
            assert!(constraint.degree() <= DEGREE, "[{id}] has degree {}", constraint.degree());
        }
        constraints
    });
}

#[cfg(test)]
fn retain(constraints: &mut Vec<(&'static str, Expr)>, parameters: Parameters) {
    let before = constraints.len();
    constraints.retain(|(id, _)| Some(*id) != parameters.without);
    assert_eq!(before - constraints.len(), usize::from(parameters.without.is_some()), "unknown constraint");
}

#[cfg(not(test))]
fn retain(_: &mut Vec<(&'static str, Expr)>, _: Parameters) {}

/// LogUp: each active row adds the inverses of its lookups less `m/T` to the running sum, which starts and ends at 0.
///
/// Two lookups and the table fit into the running sum's own constraint; of four, three have one of their own.
fn lookups(c: &Cells) -> Vec<(&'static str, Expr)> {
    let alpha2 = c.alpha.clone() * c.alpha.clone();
    let key = |tag: &Expr, input: &Expr, output: Option<&Expr>| {
        let key = c.beta.clone() + input.clone() + alpha2.clone() * tag.clone();
        output.map_or(key.clone(), |out| key + c.alpha.clone() * out.clone())
    };
    let active = &c.active[0];
    let f1 = key(&c.kappa, &c.r, None);
    let f2 = key(&c.tag, &c.q, Some(&c.y));
    let t = key(&c.table[0], &c.table[1], Some(&c.table[2]));
    let step = c.phi[1].clone() - c.phi[0].clone();
    let mut constraints = vec![];
    let sum = match &c.pair {
        None => step * f1.clone() * f2.clone() * t.clone() - (f1.clone() + f2.clone()) * t + c.m.clone() * f1 * f2,
        Some(pair) => {
            let f3 = key(&c.kappa, &pair.r, None);
            let f4 = key(&c.tag, &pair.q, Some(&pair.y));
            let two = f3.clone() * f4.clone();
            let others = pair.psi.clone() * f2.clone() * two.clone() - two - f2 * (f3 + f4);
            // [lookup-part]
            constraints.push(("lookup-part", active.clone() * others));
            (step - pair.psi.clone()) * f1.clone() * t.clone() - t + c.m.clone() * f1
        }
    };
    // [lookup-sum]
    constraints.push(("lookup-sum", active.clone() * sum));
    // [lookup-end]
    constraints.push(("lookup-end", active.clone() * inactive(&c.active[1]) * c.phi[1].clone()));
    constraints
}

/// The first active row: the running sum starts at 0, and the challenges enter.
fn first_row(c: &Cells) -> Vec<(&'static str, Expr)> {
    let first = inactive(&c.active[0]) * c.active[1].clone();
    vec![
        // [first-phi]
        ("first-phi", first.clone() * c.phi[1].clone()),
        // [first-r]
        ("first-r", first.clone() * (c.z[1].clone() - c.channel.clone())),
        // [first-u]
        ("first-u", first * (c.p[1].clone() - c.position.clone())),
    ]
}

/// The consumer chain over `y` and the producer chain over `F`.
fn chains(c: &Cells) -> Vec<(&'static str, Expr)> {
    let form = c.kappa.clone() * c.q.clone() + c.r.clone() + c.e.clone() + c.inst.clone();
    // [rim]
    let rim = ("rim", c.active[0].clone() * c.kappa.clone() * c.e.clone());
    let chains = match &c.pair {
        None => single_chains(c, &form),
        Some(pair) => paired_chains(c, pair, &form),
    };
    [rim].into_iter().chain(chains).collect()
}

/// 1 where an opcode of a chain is 1, and where it is 2; both 0 at 0.
fn steps(op: &Expr) -> [Expr; 2] {
    let by_u = op.clone() * (constant(2) - op.clone());
    let by_z = scaled_inverse(op.clone() * (op.clone() - constant(1)), 2);
    [by_u, by_z]
}

/// Non-zero where an opcode of a chain is 0.
fn reset(op: &Expr) -> Expr {
    (op.clone() - constant(1)) * (op.clone() - constant(2))
}

fn single_chains(c: &Cells, form: &Expr) -> [(&'static str, Expr); 4] {
    let active = c.active[0].clone();
    let [by_u, by_z] = steps(&c.op_x);
    let multiplier = by_u * c.position.clone() + by_z * c.z[0].clone();
    let y_reset = indicator(&c.op_y, 1);
    let y_next = |multiplier: Option<Expr>| {
        let base = c.h_y[1].clone() - form.clone();
        multiplier.map_or(base.clone(), |m| base - m * c.h_y[0].clone())
    };
    let y_chain = y_reset.clone() * y_next(None)
        + indicator(&c.op_y, 2) * y_next(Some(c.position.clone()))
        + indicator(&c.op_y, 3) * y_next(Some(c.z[0].clone()));
    [
        // [chain-x]
        ("chain-x", active.clone() * (c.h_x[1].clone() - c.y.clone() - multiplier * c.h_x[0].clone())),
        // [expose-x]
        ("expose-x", active * reset(&c.op_x) * (c.z[0].clone() - c.h_x[0].clone())),
        // [chain-y]
        ("chain-y", y_chain),
        // [expose-y]
        ("expose-y", y_reset * (c.p[0].clone() - c.h_y[0].clone())),
    ]
}

/// As [`single_chains`]; each chain takes the earlier element by a weight that its lane code says, before the later one.
///
/// A chain's constraint has its lane code as a factor, 1 to 3, so each coefficient has it too.
fn paired_chains(c: &Cells, pair: &PairCells, form: &Expr) -> [(&'static str, Expr); 4] {
    let [lane_x, lane_y] = [&pair.lane_x, &c.active[0]];
    let powers = powers_of(&c.position);
    let earlier = c.kappa.clone() * pair.q.clone() + pair.r.clone();
    // Of an element alone `step-u` multiplies by `u`; with one before it by the square, but for two of a window, or two that are two places apart.
    let by_x = through(lane_x, [powers[0].clone(), powers[1].clone(), powers[0].clone()]);
    let by_y = through(lane_y, [powers[0].clone(), powers[1].clone(), powers[3].clone()]);
    let weigh = |lane: &Expr, [two, three]: [Expr; 2]| {
        indicator(lane, 2) * two * Fr::from(2) + indicator(lane, 3) * three * Fr::from(3)
    };
    let weight_x = weigh(lane_x, [powers[0].clone(), constant(1)]);
    let weight_y = weigh(lane_y, [powers[0].clone(), powers[1].clone()]);
    let chain = |op: &Expr, lane: &Expr, next: &Expr, h: &Expr, value: Expr, native: Expr| {
        let [by_u, by_z] = steps(op);
        lane.clone() * (next.clone() - value) - (by_u * native + by_z * lane.clone() * c.z[0].clone()) * h.clone()
    };
    let [x, x_next] = &c.h_x;
    let [y, y_next] = &c.h_y;
    [
        // [chain-x]
        ("chain-x", chain(&c.op_x, lane_x, x_next, x, c.y.clone(), by_x) - weight_x * pair.y.clone()),
        // [expose-x]
        ("expose-x", lane_x.clone() * reset(&c.op_x) * (c.z[0].clone() - x.clone())),
        // [chain-y]
        ("chain-y", chain(&c.op_y, lane_y, y_next, y, form.clone(), by_y) - weight_y * earlier),
        // [expose-y]
        ("expose-y", lane_y.clone() * reset(&c.op_y) * (c.p[0].clone() - y.clone())),
    ]
}

/// A challenge and its powers up to the fourth.
fn powers_of(challenge: &Expr) -> [Expr; 4] {
    let square = challenge.clone() * challenge.clone();
    [challenge.clone(), square.clone(), square.clone() * challenge.clone(), square.clone() * square]
}

/// The quadratic polynomial in `lane` that is `lane` times the given values at 1, 2, 3.
fn through(lane: &Expr, values: [Expr; 3]) -> Expr {
    let [a, b, c] = [1, 2, 3].map(|at| lane.clone() - constant(at));
    let [one, two, three] = values;
    scaled_inverse(b.clone() * c.clone(), 2) * one - a.clone() * c * two * Fr::from(2)
        + scaled_inverse(a * b, 2) * three * Fr::from(3)
}

/// The weight chain, products with operands, and scalar arithmetic.
fn products(c: &Cells) -> Vec<(&'static str, Expr)> {
    let [hold, product, fma] = [1, 2, 3].map(|which| indicator(&c.op_p, which));
    let z = c.z[0].clone();
    let weights = c.h_w[0].clone() + c.omega.clone();
    let next = c.h_w[1].clone();
    vec![
        // [chain-w]
        ("chain-w", hold.clone() * (next.clone() - z.clone() * weights.clone()) + product.clone() * next),
        // [product]
        (
            "product",
            hold * (c.p[1].clone() - c.p[0].clone())
                + product * (c.p[1].clone() - c.p[0].clone() - weights * z.clone())
                + fma * (c.p[1].clone() - z * c.p[0].clone() - c.z[1].clone()),
        ),
    ]
}
