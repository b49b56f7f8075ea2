//! Every constraint is needed: with it a forgery is refused, without it the same forgery is accepted.
//!
//! Each forgery claims a wrong public output in a real proof. It differs from an honest witness in phase 0
//! and, by solving a linear equation once the challenges are known, in one cell that the missing constraint frees.

use super::{MachineCircuit, Shape};
use crate::integer::{Interval, to_field};
use crate::network::Term;
use crate::program::{AdviceColumn, Cell, ChainOp, Lane, Layout, ProductOp};
use crate::testing::{Case, Keys, NetworkBuilder, RELU8, SIGNED8, conv};
use crate::witness::{ChallengeValues, ForcedCell, PhaseOne, PhaseZero, phase_one, phase_one_forced};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

/// One input word, one output word, a dense layer of two outputs.
fn dense(lanes: usize, shape: Shape) -> Case {
    let mut b = NetworkBuilder::new(&[4], Interval::new(1, 15), 21);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: 0 }]);
    b.build_in(Layout { shape, ..Layout::direct(lanes) })
}

/// A convolution whose output is public.
fn convolution(shape: Shape) -> Case {
    let mut b = NetworkBuilder::new(&[1, 4, 4], Interval::new(1, 15), 22);
    let conv = conv(0, [3, 3], [1, 1], [0; 4]);
    b.affine(&[1, 2, 2], SIGNED8, vec![conv]);
    b.build_in(Layout { shape, ..Layout::direct(1) })
}

/// A convolution, then one of 1x1 whose output is public: two outputs of the first share a row.
fn two_convolutions() -> Case {
    let mut b = NetworkBuilder::new(&[1, 4, 4], Interval::new(1, 15), 23);
    let first = b.affine(&[1, 2, 2], RELU8, vec![conv(0, [3, 3], [1, 1], [0; 4])]);
    b.affine(&[1, 2, 2], SIGNED8, vec![conv(first, [1, 1], [1, 1], [0; 4])]);
    b.build_in(Layout { shape: Shape::Paired, ..Layout::direct(1) })
}

/// A case whose claimed outputs are `delta` quotients away from the true ones.
fn claim(mut case: Case, deltas: &[i64]) -> Case {
    let output = case.architecture.output;
    let mut claimed = case.trace.values[output].clone();
    let crate::network::Op::Affine { activation, .. } = case.architecture.nodes[output].op else { unreachable!() };
    for (row, r) in case.program.rows.iter().enumerate() {
        match r.lane {
            Lane::Requantised { node, index, lo } if node == output && deltas[index] != 0 => {
                let q = case.phase0.q[row] as i64 + deltas[index];
                let y = activation.apply(q + lo);
                assert_ne!(y, claimed[index], "the delta must show");
                (case.phase0.q[row], case.phase0.y[row], claimed[index]) = (q as u64, y, y);
            }
            Lane::Value { node, index, lo } if node == output && deltas[index] != 0 => {
                case.phase0.y[row] = claimed[index];
                case.phase0.q[row] = (claimed[index] - lo) as u64;
            }
            _ => {}
        }
    }
    case.recount();
    let input = case.trace.values[0].clone();
    case.instance = crate::witness::instance(&case.program, &input, &claimed);
    case
}

/// A delta that changes the output and stays in the table, for each output.
fn deltas(case: &Case, count: usize) -> Vec<i64> {
    let output = case.architecture.output;
    let values = &case.trace.values[output];
    let mut deltas = vec![0; values.len()];
    for index in 0..count {
        deltas[index] = if values[index] > 0 { -1 } else { 2 };
    }
    deltas
}

fn lookup_forgery(case: &Case) -> Case {
    // The output row's table entry is wrong: the same quotient, another activation.
    let mut case = case.clone();
    let output = case.architecture.output;
    let wrong = case.trace.values[output][0] + 1;
    for (row, r) in case.program.rows.iter().enumerate() {
        match r.lane {
            Lane::Requantised { node, index: 0, .. } if node == output => case.phase0.y[row] = wrong,
            Lane::Value { node, index: 0, lo } if node == output => {
                case.phase0.y[row] = wrong;
                case.phase0.q[row] = (wrong - lo) as u64;
            }
            _ => {}
        }
    }
    case.recount();
    let mut claimed = case.trace.values[output].clone();
    claimed[0] = wrong;
    case.instance = crate::witness::instance(&case.program, &case.trace.values[0].clone(), &claimed);
    case
}

/// The failed equalities of a witness.
fn mismatches(case: &Case, w: &PhaseOne) -> Vec<Fr> {
    case.program.copies().map(|(a, b)| w.value(a, &case.phase0) - w.value(b, &case.phase0)).collect()
}

/// Sets `cell` so that every copy holds: each mismatch is linear in it.
fn solve(case: &Case, w: &mut PhaseOne, challenges: &ChallengeValues, cell: ForcedCell) {
    let with = |value: Fr| {
        let forced = move |c: ForcedCell| (c == cell).then_some(value);
        phase_one_forced(&case.program, &case.phase0, &case.lanes, challenges, &case.instance, &forced).unwrap()
    };
    let (zero, one) = (mismatches(case, &with(Fr::ZERO)), mismatches(case, &with(Fr::ONE)));
    let (at, slope) = zero.iter().zip(&one).map(|(a, b)| (*a, b - a)).find(|(_, s)| *s != Fr::ZERO).expect("a lever");
    *w = with(-at * slope.invert().unwrap());
    assert!(mismatches(case, w).iter().all(|m| m.is_zero_vartime()), "one equation, one unknown");
}

type Tamper<'a> = &'a (dyn Fn(&mut PhaseOne, &ChallengeValues) + Sync);

/// The forgery verifies without the constraint and is refused with it.
fn assert_needed(constraint: &'static str, case: &Case, tamper: Tamper<'_>) {
    let weak = || case.circuit().without(constraint);
    assert!(accepts(&weak(), weak().tampered(tamper), case), "[{constraint}] the forgery is no forgery");
    assert!(!accepts(&case.circuit(), case.circuit().tampered(tamper), case), "[{constraint}] does not refuse it");
}

fn accepts(keys: &MachineCircuit<'_>, circuit: MachineCircuit<'_>, case: &Case) -> bool {
    Keys::new(keys).accepts(circuit, &case.instance)
}

fn row_where(case: &Case, found: impl Fn(usize) -> bool) -> usize {
    (0..case.program.rows.len()).rev().find(|row| found(*row)).expect("the program has such a row")
}

#[test]
fn honest_proofs_are_accepted() {
    for shape in Shape::ALL {
        for case in [dense(1, shape), dense(2, shape), convolution(shape)] {
            assert!(accepts(&case.circuit(), case.circuit(), &case));
        }
    }
    let case = two_convolutions();
    assert!(accepts(&case.circuit(), case.circuit(), &case));
}

#[test]
fn lookups() {
    for shape in Shape::ALL {
        let case = lookup_forgery(&dense(2, shape));
        assert_needed("lookup-sum", &case, &|w, _| w.phi.fill(Fr::ZERO));
        assert_needed("lookup-end", &case, &|_, _| {});
        assert_needed("first-phi", &case, &|w, _| {
            let end = *w.phi.last().unwrap();
            w.phi.iter_mut().for_each(|phi| *phi -= end);
        });
    }
    // With a free part of the sum any row makes up for what is in no table.
    let case = lookup_forgery(&dense(2, Shape::Paired));
    assert_needed("lookup-part", &case, &|w, _| {
        let end = *w.phi.last().unwrap();
        w.psi.as_mut().unwrap()[0] -= end;
        w.phi[1..].iter_mut().for_each(|phi| *phi -= end);
    });
}

/// The output that follows where the earlier element of a row has other cells: its activation is another, and its part of the producer chain is as it was.
/// `None` if that shows nowhere, or leaves the table.
fn with_earlier(honest: &Case, row: usize, cells: (u64, u64, i64)) -> Option<Case> {
    let mut case = honest.clone();
    let Lane::Requantised { node, index, .. } = case.program.rows[row].earlier.unwrap().lane else { unreachable!() };
    let output = case.architecture.output;
    let earlier = case.phase0.earlier.as_mut().unwrap();
    let kappa = case.program.rows[row].kappa;
    assert_eq!(kappa * cells.0 + cells.1, kappa * earlier.q[row] + earlier.r[row]);
    (earlier.q[row], earlier.r[row], earlier.y[row]) = cells;
    let delta = cells.2 - case.trace.values[node][index];
    let weight = case.weights.layers[&output].terms[0][0];
    let shift = case.program.shift;
    let rounded = case.trace.accumulators[output][index] + weight * delta + (1 << (shift - 1));
    let crate::network::Op::Affine { activation, .. } = case.architecture.nodes[output].op else { unreachable!() };
    let mut claimed = case.trace.values[output].clone();
    claimed[index] = activation.apply(rounded >> shift);
    if claimed == case.trace.values[output] {
        return None;
    }
    for (at, r) in case.program.rows.iter().enumerate() {
        match r.lane {
            Lane::Requantised { node, index: i, lo } if node == output && i == index => {
                case.phase0.q[at] = u64::try_from((rounded >> shift) - lo).ok()?;
                case.phase0.r[at] = (rounded & ((1 << shift) - 1)) as u64;
                case.phase0.y[at] = claimed[index];
            }
            Lane::Value { node, index: i, lo } if node == output && i == index => {
                case.phase0.y[at] = claimed[index];
                case.phase0.q[at] = (claimed[index] - lo) as u64;
            }
            _ => {}
        }
        // On a row of one element both lanes look the same up.
        if r.earlier.is_none() {
            let PhaseZero { r, q, y, earlier, .. } = &mut case.phase0;
            let earlier = earlier.as_mut().unwrap();
            (earlier.r[at], earlier.q[at], earlier.y[at]) = (r[at], q[at], y[at]);
        }
    }
    case.recount();
    case.instance = crate::witness::instance(&case.program, &case.trace.values[0].clone(), &claimed);
    Some(case)
}

/// The earlier element of a row has lookups of its own: without them it may have another activation, or a remainder that is out of range.
#[test]
fn earlier_elements_are_looked_up() {
    let honest = two_convolutions();
    let earlier = honest.phase0.earlier.as_ref().unwrap();
    let row = row_where(&honest, |row| honest.program.rows[row].earlier.is_some() && earlier.q[row] > 0);
    let (q, r, y) = (earlier.q[row], earlier.r[row], earlier.y[row]);
    for (q, r) in [(q, r), (q - 1, r + (1 << honest.program.shift))] {
        let forged = (1..99).flat_map(|far| [y + far, y - far]).find_map(|y| with_earlier(&honest, row, (q, r, y)));
        let case = forged.expect("another activation shows");
        assert_needed("lookup-part", &case, &|w, _| {
            let end = *w.phi.last().unwrap();
            w.psi.as_mut().unwrap()[0] -= end;
            w.phi[1..].iter_mut().for_each(|phi| *phi -= end);
        });
    }
}

/// An earlier element counts in both chains with its own weight: exchanged with the later one, it is refused.
#[test]
fn two_elements_of_a_row_are_not_exchanged() {
    let honest = two_convolutions();
    let mut tried = 0;
    for row in (0..honest.program.rows.len()).filter(|row| honest.program.rows[*row].earlier.is_some()) {
        let mut case = honest.clone();
        let PhaseZero { r, q, y, earlier, .. } = &mut case.phase0;
        let earlier = earlier.as_mut().unwrap();
        std::mem::swap(&mut r[row], &mut earlier.r[row]);
        std::mem::swap(&mut q[row], &mut earlier.q[row]);
        std::mem::swap(&mut y[row], &mut earlier.y[row]);
        if case.phase0 != honest.phase0 {
            assert!(!accepts(&case.circuit(), case.circuit(), &case), "row {row}");
            tried += 1;
        }
    }
    assert!(tried > 0);
}

/// A quotient and a remainder that give the accumulator modulo `p` and not as integers: the field has many such pairs, and only the two
/// lookups tell them from the true one.
#[test]
fn decompositions_that_wrap() {
    Shape::ALL.into_iter().for_each(decompositions_that_wrap_in);
}

fn decompositions_that_wrap_in(shape: Shape) {
    let honest = dense(2, shape);
    let delta = deltas(&honest, 1);
    let mut case = claim(honest.clone(), &delta);
    let row = row_where(&case, |row| matches!(case.program.rows[row].lane, Lane::Requantised { index: 0, .. }));
    // The accumulator is as it was; the two cells that make it up are replaced once everything else follows from it.
    case.phase0.q[row] = honest.phase0.q[row];
    let (q, r) = (Fr::from(case.phase0.q[row]), Fr::from(case.phase0.r[row]));
    let (kappa, step) = (Fr::from(case.program.rows[row].kappa), to_field(delta[0]));
    let tag = case.program.rows[row].tag;
    let other = Fr::from(case.phase0.r[row] ^ 1);
    let pairs = [
        // The quotient is in the table, the remainder is negative or too large.
        (q + step, r - kappa * step),
        // The remainder is in range, the quotient is a fraction.
        (q + (r - other) * kappa.invert().unwrap(), other),
    ];
    for (wrong_q, wrong_r) in pairs {
        assert_eq!(kappa * wrong_q + wrong_r, kappa * q + r);
        let cells = [(AdviceColumn::Q, row, wrong_q), (AdviceColumn::R, row, wrong_r)];
        // The part of the sum that is no check by itself follows the wrong cell.
        let tamper = |w: &mut PhaseOne, c: &ChallengeValues| {
            w.phi.fill(Fr::ZERO);
            let key = c.beta + c.alpha * to_field(case.phase0.y[row]) + c.alpha.square() * Fr::from(tag);
            let inverse = |q: Fr| (key + q).invert().unwrap();
            w.psi.iter_mut().for_each(|psi| psi[row] += inverse(wrong_q) - inverse(q));
        };
        let circuit = || case.circuit().wrapped(&cells).tampered(&tamper);
        assert!(accepts(&circuit().without("lookup-sum"), circuit().without("lookup-sum"), &case), "no forgery");
        assert!(!accepts(&circuit(), circuit(), &case), "a decomposition that wraps");
    }
}

#[test]
fn rims() {
    for shape in Shape::ALL {
        let honest = dense(2, shape);
        let delta = deltas(&honest, 1);
        let mut case = claim(honest, &delta);
        let row = row_where(&case, |row| matches!(case.program.rows[row].lane, Lane::Requantised { index: 0, .. }));
        case.phase0.e[row] = -delta[0] << case.program.shift;
        assert_needed("rim", &case, &|_, _| {});
    }
}

/// With a free `z_0` the prover picks the root of `delta_0 + R delta_1`.
#[test]
fn channel_challenge() {
    Shape::ALL.into_iter().for_each(channel_challenge_in);
}

fn channel_challenge_in(shape: Shape) {
    let honest = dense(1, shape);
    let delta = deltas(&honest, 2);
    let case = claim(honest, &delta);
    let root = -to_field(delta[0]) * to_field(delta[1]).invert().unwrap();
    assert_needed("first-r", &case, &|w, challenges| {
        let forced = |c: ForcedCell| (c == ForcedCell::Z(0)).then_some(root);
        let forged =
            phase_one_forced(&case.program, &case.phase0, &case.lanes, challenges, &case.instance, &forced).unwrap();
        *w = forged;
    });
}

/// With a free `P_0` the prover picks `u'` with `in u + claimed = in u' + out`.
#[test]
fn position_challenge() {
    Shape::ALL.into_iter().for_each(position_challenge_in);
}

fn position_challenge_in(shape: Shape) {
    let mut case = dense(2, shape);
    let true_words = case.instance.clone();
    let output = case.trace.values[case.architecture.output].clone();
    let claimed = [output[0] - 1, output[1]];
    case.instance = crate::witness::instance(&case.program, &case.trace.values[0].clone(), &claimed);
    let words = case.instance.clone();
    assert_needed("first-u", &case, &|w, challenges| {
        let other = (words[0] * challenges.position + words[1] - true_words[1]) * true_words[0].invert().unwrap();
        let forced = |c: ForcedCell| (c == ForcedCell::P(0)).then_some(other);
        let forged =
            phase_one_forced(&case.program, &case.phase0, &case.lanes, challenges, &case.instance, &forced).unwrap();
        *w = forged;
    });
}

#[test]
fn chains_and_products() {
    Shape::ALL.into_iter().for_each(chains_and_products_in);
}

fn chains_and_products_in(shape: Shape) {
    let honest = convolution(shape);
    let delta = deltas(&honest, 1);
    let case = claim(honest, &delta);
    let rows = &case.program.rows;
    let operand = row_where(&case, |row| {
        let Some(crate::program::Pin::Copy(Cell::Z(source))) = Some(rows[row].z_pin) else { return false };
        rows[row].product == ProductOp::Product && source > 0 && rows[source].x == ChainOp::Reset
    });
    let crate::program::Pin::Copy(Cell::Z(exposed)) = rows[operand].z_pin else { unreachable!() };
    let last_output = row_where(&case, |row| matches!(rows[row].lane, Lane::Requantised { .. }));
    let closing = (last_output + 1..rows.len()).find(|row| rows[*row].y == ChainOp::Reset).unwrap();
    let levers = [
        ("chain-x", ForcedCell::Hx(exposed)),
        ("expose-x", ForcedCell::Z(exposed)),
        ("chain-y", ForcedCell::Hy(closing)),
        ("expose-y", ForcedCell::P(closing)),
        ("chain-w", ForcedCell::Hw(operand)),
        // After a product the chain is empty.
        ("chain-w", ForcedCell::Hw(operand + 1)),
        ("product", ForcedCell::P(operand + 1)),
    ];
    for (constraint, cell) in levers {
        assert_needed(constraint, &case, &|w, challenges| solve(&case, w, challenges, cell));
    }
}

/// Limbs that add up to something else, each with the multiplicities of its entries: the equalities refuse them.
#[test]
fn limbs() {
    let mut b = NetworkBuilder::new(&[1, 2, 2], Interval::new(1, 15), 21);
    let first = b.affine(&[1, 2, 2], RELU8, vec![conv(0, [1, 1], [1, 1], [0; 4])]);
    let flat = b.reshape(first, &[4]);
    let hidden = b.affine(&[3], RELU8, vec![Term::Dense { input: flat }]);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: hidden }]);
    for layout in ["2:2", "2:2:flat"] {
        forged_limbs(&b.clone().build_in(layout.parse().unwrap()));
    }
}

fn forged_limbs(case: &Case) {
    let keys = Keys::new(&case.circuit());
    assert!(keys.accepts(case.circuit(), &case.instance));
    let rows = |found: &dyn Fn(&Lane) -> bool| -> Vec<usize> {
        (0..case.program.rows.len()).filter(|row| found(&case.program.rows[*row].lane)).collect()
    };
    // One if there was something to change.
    let refused = |what: &str, change: &dyn Fn(&mut PhaseZero)| -> usize {
        let mut forged = case.clone();
        change(&mut forged.phase0);
        if forged.phase0 == case.phase0 {
            return 0;
        }
        for (row, r) in case.program.rows.iter().enumerate() {
            let (q, y) = (forged.phase0.q[row] as i64, forged.phase0.y[row]);
            assert!(forged.program.table.find(r.kappa, forged.phase0.r[row] as i64, 0).is_some(), "{what}: row {row}");
            assert!(forged.program.table.find(r.tag, q, y).is_some(), "{what}: row {row}");
        }
        forged.recount();
        assert!(!keys.accepts(forged.circuit(), &forged.instance), "{what}");
        1
    };
    let (mut tried, output) = (0, case.architecture.output);
    for index in 0..2 {
        let of = |lane: &Lane, low_bit: Option<u32>| match *lane {
            Lane::Inside { node, index: i, .. } => node == output && i == index && low_bit.is_none(),
            Lane::Limb { node, index: i, low, .. } => node == output && i == index && low_bit == Some(low),
            _ => false,
        };
        let inside = rows(&|lane| of(lane, None))[0];
        let [low, high] = [0, 2].map(|bit| rows(&|lane| of(lane, Some(bit)))[0]);
        let block =
            rows(&|lane| matches!(*lane, Lane::Block { node, index: i, .. } if node == output && i == index))[0];
        let entry = |w: &mut PhaseZero, row: usize, q: u64| {
            let tag = case.program.rows[row].tag;
            let found = case.program.table.rows().iter().find(|e| (e.0, e.1) == (tag, q as i64)).expect("an argument");
            (w.q[row], w.y[row]) = (q, found.2);
        };
        tried += refused("a remainder's limb", &|w| w.r[low] ^= 1);
        tried += refused("its next limb", &|w| w.r[high] ^= 1);
        tried += refused("a carry between limbs", &|w| (w.r[low], w.r[high]) = (w.r[high], w.r[low]));
        tried += refused("the place in the block", &|w| w.r[block] ^= 1);
        // The quotient moves by one on both of its rows: only the equality with the accumulator is left.
        tried += refused("the quotient", &|w| {
            w.r[block] ^= 1;
            entry(w, inside, w.q[inside] ^ 1);
        });
        tried += refused("the block", &|w| {
            let other = if w.q[block] == 0 { 1 } else { w.q[block] - 1 };
            entry(w, block, other);
        });
        // Another argument, only the equality of the two rows is left.
        tried += refused("the argument", &|w| entry(w, inside, w.q[inside] ^ 1));
    }
    assert!(tried >= 12, "{tried} of 14");
}

#[test]
fn the_solver_finds_nothing_in_an_honest_witness() {
    let case = convolution(Shape::Paired);
    let challenges =
        ChallengeValues { channel: Fr::from(3), position: Fr::from(5), alpha: Fr::from(7), beta: Fr::from(1_000_003) };
    let w = phase_one(&case.program, &case.phase0, &case.lanes, &challenges, &case.instance).unwrap();
    assert!(mismatches(&case, &w).iter().all(|m| m.is_zero_vartime()));
    assert_eq!(*w.phi.last().unwrap(), Fr::ZERO);
}
