//! Random networks: the honest witness satisfies every constraint, holds the reference's values, and another
//! table entry anywhere is refused.

use super::Challenges;
use crate::formula::{Formula, Real};
use crate::integer::{Activation, Function, Interval};
use crate::interface::{Interface, Visibility};
use crate::network::{NodeId, Term, Window};
use crate::program::{Lane, Layout, TableKind};
use crate::testing::{Case, NetworkBuilder};
use crate::witness::phase_one;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

const RANGES: [Interval; 6] = [
    Interval::new(0, 15),
    Interval::new(-9, 9),
    Interval::new(-40, 39),
    Interval::new(-3, 0),
    Interval::new(0, 300),
    Interval::new(-200, 150),
];
const INPUTS: [[usize; 3]; 6] = [[1, 4, 5], [2, 3, 4], [1, 5, 5], [3, 2, 2], [6, 1, 1], [2, 7, 1]];
const MAX_ELEMENTS: usize = 120;

/// One network of up to five layers on any earlier tensors.
fn network(rng: &mut StdRng) -> NetworkBuilder {
    let input = *INPUTS.choose(rng).unwrap();
    let range = *RANGES.choose(rng).unwrap();
    let mut b = NetworkBuilder::new(&input, range, rng.r#gen());
    for _ in 0..rng.gen_range(1..=5) {
        let nodes = b.architecture.nodes.len();
        let input = if rng.gen_bool(0.6) { nodes - 1 } else { rng.gen_range(0..nodes) };
        let shape = b.architecture.nodes[input].shape.clone();
        match rng.gen_range(0..14) {
            0 | 1 if shape.len() == 3 => {
                let kernel = window(rng, &shape);
                b.max_pool(input, kernel);
            }
            2 => {
                b.reshape(input, &[shape.iter().product()]);
            }
            3 => {
                let mut permutation: Vec<usize> = (0..shape.len()).collect();
                permutation.shuffle(rng);
                b.transpose(input, &permutation);
            }
            4 => {
                let axis = rng.gen_range(0..shape.len());
                let indices: Vec<Option<usize>> = (0..rng.gen_range(1..=shape[axis] + 1))
                    .map(|_| rng.gen_bool(0.8).then(|| rng.gen_range(0..shape[axis])))
                    .collect();
                let range = b.architecture.nodes[input].range;
                let fill = if rng.gen_bool(0.5) && range.contains(0) { 0 } else { range.lo };
                if shape.iter().product::<usize>() / shape[axis] * indices.len() <= MAX_ELEMENTS {
                    b.take(input, axis, &indices, fill);
                }
            }
            5 => {
                let alike = |id: &NodeId| {
                    let (a, b) = (&b.architecture.nodes[*id], &b.architecture.nodes[input]);
                    a.shape == b.shape && a.range == b.range
                };
                let operands: Vec<NodeId> = (0..nodes).filter(alike).collect();
                if operands.len() * shape.iter().product::<usize>() <= MAX_ELEMENTS {
                    b.concat(&operands, rng.gen_range(0..shape.len()));
                }
            }
            6 => {
                let elements: usize = shape.iter().product();
                let lengths = [1, 2, 3, 4, elements].into_iter().filter(|length| elements.is_multiple_of(*length));
                let length = *lengths.collect::<Vec<_>>().choose(rng).unwrap();
                let rows = b.reshape(input, &[elements / length, length]);
                b.before_max(rows);
            }
            _ => affine(rng, &mut b, input),
        }
    }
    b
}

fn window(rng: &mut StdRng, shape: &[usize]) -> [usize; 2] {
    [rng.gen_range(1..=shape[1].min(3)), rng.gen_range(1..=shape[2].min(3))]
}

/// A layer of up to three terms that agree on a shape.
fn affine(rng: &mut StdRng, b: &mut NetworkBuilder, input: NodeId) {
    let mut shape: Option<Vec<usize>> = None;
    let mut terms = vec![];
    for _ in 0..rng.gen_range(1..=3) {
        let nodes = b.architecture.nodes.len();
        let operand = if rng.gen_bool(0.5) { input } else { rng.gen_range(0..nodes) };
        let Some((term, result)) = term(rng, &b.architecture.nodes[operand].shape, operand, shape.as_deref()) else {
            continue;
        };
        if shape.get_or_insert_with(|| result.clone()) == &result {
            terms.push(term);
        }
        // Groups stand in a layer of their own.
        if matches!(terms.last(), Some(Term::Conv { groups: 2.., .. })) {
            terms = terms.pop().into_iter().collect();
            break;
        }
    }
    let Some(shape) = shape.filter(|s| !terms.is_empty() && s.iter().product::<usize>() <= MAX_ELEMENTS) else {
        return;
    };
    let domain = Interval::new(rng.gen_range(-90..0), rng.gen_range(0..90));
    let formula = *[Formula::Gelu, Formula::Neg, Formula::Sigmoid].choose(rng).unwrap();
    let formula = Function::Formula { formula, from: Real(20.0), to: Real(30.0), domain };
    let function = *[Function::Identity, Function::Relu, formula].choose(rng).unwrap();
    let mut range = *RANGES.choose(rng).unwrap();
    range.hi = range.hi.max(1);
    b.affine(&shape, Activation { function, range }, terms);
}

fn term(rng: &mut StdRng, x: &[usize], input: NodeId, wanted: Option<&[usize]>) -> Option<(Term, Vec<usize>)> {
    let elements: usize = x.iter().product();
    match rng.gen_range(0..9) {
        0 | 1 => {
            let result = wanted.filter(|s| s.len() == 1).map_or_else(|| vec![rng.gen_range(1..=5)], <[usize]>::to_vec);
            Some((Term::Dense { input }, result))
        }
        2 => {
            let same = wanted.filter(|s| s.iter().product::<usize>() == elements);
            Some((Term::Scale { input, factor: rng.gen_range(-20..=20) }, same.unwrap_or(x).to_vec()))
        }
        3 if x.len() == 3 && rng.gen_bool(0.5) => {
            let window = Window::tiles(window(rng, x));
            let [h, w] = [0, 1].map(|axis| window.count(axis, x[axis + 1]).unwrap());
            Some((Term::SumPool { input, window, factor: rng.gen_range(-9..=9) }, vec![x[0], h, w]))
        }
        4 => {
            let same = wanted.filter(|s| s.iter().product::<usize>() == elements);
            let term = Term::Product { left: input, right: input, factor: rng.gen_range(-4..=4) };
            Some((term, same.unwrap_or(x).to_vec()))
        }
        kind if x.len() == 3 => {
            let [kernel, strides] = [4, 3].map(|most| [rng.gen_range(1..=most), rng.gen_range(1..=most)]);
            let most = if rng.gen_bool(0.2) { 6 } else { 2 };
            let pads: [usize; 4] = std::array::from_fn(|_| rng.gen_range(0..=most));
            let dilations = if rng.gen_bool(0.3) { [rng.gen_range(1..=3), rng.gen_range(1..=3)] } else { [1, 1] };
            let window = Window { kernel, strides, pads, dilations };
            let (h, w) = (window.count(0, x[1])?, window.count(1, x[2])?);
            if kind == 3 {
                return Some((Term::SumPool { input, window, factor: rng.gen_range(-9..=9) }, vec![x[0], h, w]));
            }
            let channels = wanted.filter(|s| s.len() == 3).map_or_else(|| rng.gen_range(1..=3), |s| s[0]);
            let groups = if rng.gen_bool(0.4) && channels.is_multiple_of(x[0]) { x[0] } else { 1 };
            Some((Term::Conv { input, window, groups }, vec![channels, h, w]))
        }
        _ => None,
    }
}

fn challenges(rng: &mut StdRng) -> Challenges<Fr> {
    let [channel, position, alpha, beta] = std::array::from_fn(|_| Fr::random(&mut *rng));
    Challenges { channel, position, alpha, beta }
}

/// Quotient, remainder and activation on each row are those of the reference.
fn holds_the_reference(case: &Case) {
    let shift = case.program.shift;
    for (row, r) in case.program.rows.iter().enumerate() {
        let (q, remainder, y) = (case.phase0.q[row] as i64, case.phase0.r[row] as i64, case.phase0.y[row]);
        match r.lane {
            Lane::Requantised { node, index, lo } => {
                let accumulator = ((q + lo) << shift) + remainder - (1 << (shift - 1));
                assert_eq!(accumulator, case.trace.accumulators[node][index]);
                assert_eq!(y, case.trace.values[node][index]);
            }
            Lane::Inside { node, index, .. } | Lane::Value { node, index, .. } => {
                assert_eq!(y, case.trace.values[node][index]);
            }
            Lane::Greatest { pool, window, .. } => assert_eq!(y, case.trace.values[pool][window]),
            _ => {}
        }
    }
}

/// Whether a changed row is refused by some copy, everything after it computed anew.
fn another_entry_is_refused(case: &Case, rng: &mut StdRng) {
    let lanes: Vec<usize> = (0..case.program.rows.len())
        .filter(|row| !matches!(case.program.rows[*row].lane, Lane::Idle | Lane::Rim { .. } | Lane::Blind { .. }))
        .collect();
    let row = *lanes.choose(rng).unwrap();
    let tag = case.program.rows[row].tag;
    let entries: Vec<_> = case.program.table.rows().iter().filter(|e| e.0 == tag).collect();
    let entry = entries.choose(rng).unwrap();
    let mut phase0 = case.phase0.clone();
    (phase0.q[row], phase0.y[row]) = (entry.1 as u64, entry.2);
    // Where only `y` matters, several arguments may have the same value.
    let same_value = matches!(case.program.rows[row].lane, Lane::Value { .. }) && phase0.y == case.phase0.y;
    // A private input that no layer reads may be any.
    let private = case.program.interface.input == Visibility::Private;
    let unread = private && matches!(case.program.rows[row].lane, Lane::Value { node: 0, .. });
    if phase0 == case.phase0 || same_value || unread {
        return;
    }
    let w = phase_one(&case.program, &phase0, &case.lanes, &challenges(rng), &case.instance).unwrap();
    let holds = case.program.copies().all(|(a, b)| w.value(a, &phase0) == w.value(b, &phase0));
    assert!(!holds, "row {row}: {:?} takes {entry:?}", case.program.rows[row].lane);
}

/// Every lane looks its values up in a table of its own kind.
fn lanes_have_their_tables(case: &Case) {
    let kinds: std::collections::HashMap<u64, TableKind> = case.program.table.kinds().collect();
    for (row, r) in case.program.rows.iter().enumerate() {
        let fits = match (r.lane, kinds[&r.tag]) {
            (Lane::Idle | Lane::Rim { .. } | Lane::Blind { .. }, kind) => kind == TableKind::Zero,
            (Lane::Constant(value), kind) => kind == TableKind::Constant { value },
            (Lane::Limb { .. }, kind) => kind == TableKind::Zero,
            (Lane::Block { .. }, kind) => matches!(kind, TableKind::Excess { .. }),
            (Lane::Before { .. }, kind) => matches!(kind, TableKind::Before { .. }),
            (Lane::Below { .. } | Lane::BelowValue { .. }, kind) => matches!(kind, TableKind::Difference { .. }),
            (_, kind) => matches!(kind, TableKind::Function { .. }),
        };
        assert!(fits, "row {row}: {:?}", r.lane);
    }
}

fn check(seed: u64, mock: bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    let lanes = *[1, 2, 3, 8].choose(&mut rng).unwrap();
    let limb = [None, Some(2), Some(3), Some(4)][rng.gen_range(0..4)];
    let all = [Visibility::Public, Visibility::Committed, Visibility::Private, Visibility::Given];
    let input = *all[..3].choose(&mut rng).unwrap();
    let output = *all.choose(&mut rng).unwrap();
    let case = network(&mut rng).build_for(Interface { input, output }, Layout { lanes, limb });
    holds_the_reference(&case);
    lanes_have_their_tables(&case);
    let w = phase_one(&case.program, &case.phase0, &case.lanes, &challenges(&mut rng), &case.instance).unwrap();
    assert!(case.program.copies().all(|(a, b)| w.value(a, &case.phase0) == w.value(b, &case.phase0)));
    assert_eq!(*w.phi.last().unwrap(), Fr::ZERO);
    for _ in 0..4 {
        another_entry_is_refused(&case, &mut rng);
    }
    if mock {
        case.assert_satisfied();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_networks(seed in any::<u64>()) {
        check(seed, seed % 16 == 0);
    }
}
