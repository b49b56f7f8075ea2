//! The gates. Ids stand above each constraint and in `docs/spec/machine.md`.

use super::{DEGREE, Machine, Shape};
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
    op_y: [Expr; 2],
    channel: Expr,
    position: Expr,
    alpha: Expr,
    beta: Expr,
}

impl Cells {
    fn query(v: &mut VirtualCells<'_, Fr>, machine: &Machine) -> Self {
        let fixed = |v: &mut VirtualCells<'_, Fr>, c: Column<Fixed>| v.query_fixed(c, Rotation::cur());
        let here = |v: &mut VirtualCells<'_, Fr>, c: Column<Advice>| v.query_advice(c, Rotation::cur());
        let pair = |v: &mut VirtualCells<'_, Fr>, c: Column<Advice>| {
            [v.query_advice(c, Rotation::cur()), v.query_advice(c, Rotation::next())]
        };
        let m = machine;
        Self {
            inst: v.query_instance(m.inst, Rotation::cur()),
            r: here(v, m.r),
            q: here(v, m.q),
            y: here(v, m.y),
            e: here(v, m.e),
            m: here(v, m.m),
            omega: here(v, m.omega),
            h_w: pair(v, m.h_w),
            h_x: pair(v, m.h_x),
            h_y: pair(v, m.h_y),
            z: pair(v, m.z),
            p: pair(v, m.p),
            phi: pair(v, m.phi),
            table: [fixed(v, m.t_tag), fixed(v, m.t_in), fixed(v, m.t_out)],
            tag: fixed(v, m.tag),
            kappa: fixed(v, m.kappa),
            op_p: fixed(v, m.op_p),
            op_x: fixed(v, m.op_x),
            op_y: [fixed(v, m.op_y), v.query_fixed(m.op_y, Rotation::next())],
            channel: v.query_challenge(m.challenges.channel),
            position: v.query_challenge(m.challenges.position),
            alpha: v.query_challenge(m.challenges.alpha),
            beta: v.query_challenge(m.challenges.beta),
        }
    }
}

pub(super) fn create(cs: &mut ConstraintSystem<Fr>, machine: &Machine, shape: Shape) {
    cs.create_gate("machine", |v| {
        let cells = Cells::query(v, machine);
        let mut constraints = lookups(&cells);
        constraints.extend(first_row(&cells));
        constraints.extend(chains(&cells));
        constraints.extend(products(&cells));
        retain(&mut constraints, shape);
        for (id, constraint) in &constraints {
            assert!(constraint.degree() <= DEGREE, "[{id}] has degree {}", constraint.degree());
        }
        constraints
    });
}

#[cfg(test)]
fn retain(constraints: &mut Vec<(&'static str, Expr)>, shape: Shape) {
    let before = constraints.len();
    constraints.retain(|(id, _)| Some(*id) != shape.without);
    assert_eq!(before - constraints.len(), usize::from(shape.without.is_some()), "unknown constraint");
}

#[cfg(not(test))]
fn retain(_: &mut Vec<(&'static str, Expr)>, _: Shape) {}

/// LogUp: each active row adds `1/F1 + 1/F2 - m/T` to the running sum, which starts and ends at 0.
fn lookups(c: &Cells) -> Vec<(&'static str, Expr)> {
    let alpha2 = c.alpha.clone() * c.alpha.clone();
    let key = |tag: &Expr, input: &Expr, output: Option<&Expr>| {
        let key = c.beta.clone() + input.clone() + alpha2.clone() * tag.clone();
        output.map_or(key.clone(), |out| key + c.alpha.clone() * out.clone())
    };
    let f1 = key(&c.kappa, &c.r, None);
    let f2 = key(&c.tag, &c.q, Some(&c.y));
    let t = key(&c.table[0], &c.table[1], Some(&c.table[2]));
    let step = c.phi[1].clone() - c.phi[0].clone();
    let sum = step * f1.clone() * f2.clone() * t.clone() - (f1.clone() + f2.clone()) * t + c.m.clone() * f1 * f2;
    vec![
        // [lookup-sum]
        ("lookup-sum", c.op_y[0].clone() * sum),
        // [lookup-end]
        ("lookup-end", c.op_y[0].clone() * inactive(&c.op_y[1]) * c.phi[1].clone()),
    ]
}

/// The first active row: the running sum starts at 0, and the challenges enter.
fn first_row(c: &Cells) -> Vec<(&'static str, Expr)> {
    let first = inactive(&c.op_y[0]) * c.op_y[1].clone();
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
    let active = c.op_y[0].clone();
    let form = c.kappa.clone() * c.q.clone() + c.r.clone() + c.e.clone() + c.inst.clone();
    let two = constant(2);
    let multiplier = c.op_x.clone() * (two.clone() - c.op_x.clone()) * c.position.clone()
        + scaled_inverse(c.op_x.clone() * (c.op_x.clone() - constant(1)), 2) * c.z[0].clone();
    let x_reset = (c.op_x.clone() - constant(1)) * (c.op_x.clone() - two);
    let y_reset = indicator(&c.op_y[0], 1);
    let y_next = |multiplier: Option<Expr>| {
        let base = c.h_y[1].clone() - form.clone();
        multiplier.map_or(base.clone(), |m| base - m * c.h_y[0].clone())
    };
    let y_chain = y_reset.clone() * y_next(None)
        + indicator(&c.op_y[0], 2) * y_next(Some(c.position.clone()))
        + indicator(&c.op_y[0], 3) * y_next(Some(c.z[0].clone()));
    vec![
        // [rim]
        ("rim", active.clone() * c.kappa.clone() * c.e.clone()),
        // [chain-x]
        ("chain-x", active.clone() * (c.h_x[1].clone() - c.y.clone() - multiplier * c.h_x[0].clone())),
        // [expose-x]
        ("expose-x", active * x_reset * (c.z[0].clone() - c.h_x[0].clone())),
        // [chain-y]
        ("chain-y", y_chain),
        // [expose-y]
        ("expose-y", y_reset * (c.p[0].clone() - c.h_y[0].clone())),
    ]
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
