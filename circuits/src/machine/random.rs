//! Random networks: the honest witness satisfies every constraint, holds the reference's values, and another
//! table entry anywhere is refused.

use super::{Challenges, Shape};
use crate::interface::{Interface, Visibility};
use crate::program::{Cell, ChainOp, ConsumerRatio, Earlier, Lane, Layout, Limbed, ProducerRatio, TableKind};
use crate::testing::{Case, random_builder};
use crate::witness::phase_one;
use ff::{Field, PrimeField};
use halo2_proofs::halo2curves::bn256::Fr;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use std::collections::{HashMap, HashSet};

fn challenges(rng: &mut StdRng) -> Challenges<Fr> {
    let [channel, position, alpha, beta] = std::array::from_fn(|_| Fr::random(&mut *rng));
    Challenges { channel, position, alpha, beta }
}

/// Quotient, remainder and activation on each row are those of the reference.
fn holds_the_reference(case: &Case) {
    let w = &case.phase0;
    for (row, r) in case.program.rows.iter().enumerate() {
        hold_the_reference(case, r.lane, (w.q[row] as i64, w.r[row] as i64, w.y[row]));
        if let (Some(pair), Some(w)) = (r.earlier, &w.earlier) {
            hold_the_reference(case, pair.lane, (w.q[row] as i64, w.r[row] as i64, w.y[row]));
        }
    }
}

fn hold_the_reference(case: &Case, lane: Lane, (q, remainder, y): (i64, i64, i64)) {
    let shift = case.program.shift;
    match lane {
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

/// Whether a changed row is refused by some copy, everything after it computed anew.
fn another_entry_is_refused(case: &Case, rng: &mut StdRng) {
    let lanes: Vec<usize> = (0..case.program.rows.len())
        .filter(|row| {
            let lane = case.program.rows[*row].lane;
            !matches!(lane, Lane::Idle | Lane::Rim { .. } | Lane::RimSum { .. } | Lane::Blind { .. })
        })
        .collect();
    let row = *lanes.choose(rng).unwrap();
    let tag = case.program.rows[row].tag;
    let entries: Vec<_> = case.program.table.rows().iter().filter(|e| e.0 == tag).collect();
    let entry = entries.choose(rng).unwrap();
    let mut phase0 = case.phase0.clone();
    let pair = case.program.rows[row].earlier.filter(|_| rng.r#gen());
    let lane = pair.map_or(case.program.rows[row].lane, |earlier| earlier.lane);
    let same = match (pair, &mut phase0.earlier) {
        (Some(_), Some(w)) => {
            let same = w.y[row] == entry.2;
            (w.q[row], w.y[row]) = (entry.1 as u64, entry.2);
            same
        }
        _ => {
            let same = phase0.y[row] == entry.2;
            (phase0.q[row], phase0.y[row]) = (entry.1 as u64, entry.2);
            same
        }
    };
    // Where only `y` matters, several arguments may have the same value.
    let same_value = matches!(lane, Lane::Value { .. }) && same;
    // A private input that no layer reads may be any.
    let private = case.program.interface.input == Visibility::Private;
    let unread = private && matches!(lane, Lane::Value { node: 0, .. });
    if phase0 == case.phase0 || same_value || unread {
        return;
    }
    let w = phase_one(&case.program, &phase0, &case.lanes, &challenges(rng), &case.instance).unwrap();
    let holds = case.program.copies().all(|(a, b)| w.value(a, &phase0) == w.value(b, &phase0));
    assert!(!holds, "row {row}: {lane:?} takes {entry:?}");
}

/// Every lane looks its values up in a table of its own kind.
fn lanes_have_their_tables(case: &Case) {
    let kinds: HashMap<u64, TableKind> = case.program.table.kinds().collect();
    let rows = case.program.rows.iter().enumerate();
    let lanes =
        rows.flat_map(|(row, r)| r.earlier.map(|earlier| (row, r, earlier.lane)).into_iter().chain([(row, r, r.lane)]));
    for (row, r, lane) in lanes {
        let fits = match (lane, kinds[&r.tag]) {
            (Lane::Idle | Lane::Rim { .. } | Lane::RimSum { .. } | Lane::Blind { .. }, kind) => kind == TableKind::Zero,
            (Lane::Constant(value), kind) => kind == TableKind::Constant { value },
            (Lane::Limb { .. }, kind) => kind == TableKind::Zero,
            (Lane::Block { .. }, kind) => matches!(kind, TableKind::Excess { .. }),
            (Lane::Before { .. }, kind) => matches!(kind, TableKind::Before { .. }),
            (Lane::Below { .. } | Lane::BelowValue { .. }, kind) => matches!(kind, TableKind::Difference { .. }),
            (_, kind) => matches!(kind, TableKind::Function { .. }),
        };
        assert!(fits, "row {row}: {lane:?}");
    }
}

/// The input that a row's value is of.
fn input_of(case: &Case, lane: Lane) -> Option<usize> {
    let (node, index) = match lane {
        Lane::Value { node, index, .. }
        | Lane::Requantised { node, index, .. }
        | Lane::Inside { node, index, .. }
        | Lane::Block { node, index, .. }
        | Lane::Limb { node, index, .. }
        | Lane::Below { node, index, .. }
        | Lane::BelowValue { node, index, .. }
        | Lane::Before { node, index, .. } => (node, index),
        Lane::Greatest { pool, window, .. } => (pool, window),
        _ => return None,
    };
    Some(index / case.architecture.nodes[node].len())
}

/// No two rows of a chain that is read have the same factor, but for elements of a window of one input in a consumer chain.
fn factors_are_distinct(case: &Case, z: &[Fr], position: Fr) {
    let rows = &case.program.rows;
    let read: HashSet<Cell> = case.program.copies().flat_map(|(a, b)| [a, b]).collect();
    for consumer in [true, false] {
        let op = |row: usize| if consumer { rows[row].x } else { rows[row].y };
        let counts = |lane: Lane| match lane {
            Lane::Idle => false,
            Lane::Rim { .. } | Lane::RimSum { .. } | Lane::Blind { .. } | Lane::Limb { .. } => !consumer,
            Lane::Constant(_) => consumer,
            _ => true,
        };
        let ends: Vec<usize> = (0..rows.len()).filter(|row| op(*row) == ChainOp::Reset).collect();
        for pair in ends.windows(2) {
            let (start, end) = (pair[0], pair[1]);
            if !read.contains(&if consumer { Cell::Z(end) } else { Cell::P(end) }) {
                continue;
            }
            let (mut factor, mut seen) = (Fr::ONE, HashMap::new());
            for row in (start..end).rev() {
                let mut count = |lane: Lane, factor: Fr| {
                    let own = input_of(case, lane);
                    if counts(lane)
                        && let Some(other) = seen.insert(factor.to_repr().as_ref().to_vec(), own)
                    {
                        assert!(consumer && own.is_some() && own == other, "row {row}, {lane:?}: a factor twice");
                    }
                };
                count(rows[row].lane, factor);
                let square = position.square();
                let (weight, native) = match (rows[row].earlier, consumer) {
                    (None, _) => (None, position),
                    (Some(Earlier { x: ConsumerRatio::U, .. }), true)
                    | (Some(Earlier { y: ProducerRatio::U, .. }), false) => (Some(position), square),
                    (Some(Earlier { x: ConsumerRatio::One, .. }), true) => (Some(Fr::ONE), position),
                    (Some(Earlier { y: ProducerRatio::USquared, .. }), false) => (Some(square), square.square()),
                };
                if let (Some(earlier), Some(weight)) = (rows[row].earlier, weight) {
                    count(earlier.lane, factor * weight);
                }
                factor *= match op(row) {
                    ChainOp::StepU => native,
                    ChainOp::StepZ => z[row],
                    ChainOp::Reset => Fr::ONE,
                };
            }
        }
    }
}

fn check(seed: u64, mock: bool) {
    let mut rng = StdRng::seed_from_u64(seed);
    let lanes = *[1, 2, 3, 8].choose(&mut rng).unwrap();
    // The last holds a remainder whole.
    let limb = [None, Some(2), Some(3), Some(4), Some(7)][rng.gen_range(0..5)];
    let batch = [1, 1, 2, 3][rng.gen_range(0..4)];
    let all = [Visibility::Public, Visibility::Committed, Visibility::Private, Visibility::Given];
    let input = *all[..3].choose(&mut rng).unwrap();
    let output = *all.choose(&mut rng).unwrap();
    let limbed = if limb.is_some() { *[Limbed::All, Limbed::Flat].choose(&mut rng).unwrap() } else { Limbed::All };
    let layout = Layout { limb, limbed, batch, ..Layout::direct(lanes) };
    let single = random_builder(&mut rng).build_for(Interface { input, output }, layout);
    let paired = single.in_shape(Shape::Paired);
    for case in [single, paired] {
        check_case(&case, &mut rng, mock);
    }
}

fn check_case(case: &Case, rng: &mut StdRng, mock: bool) {
    holds_the_reference(case);
    lanes_have_their_tables(case);
    let drawn = challenges(rng);
    let w = phase_one(&case.program, &case.phase0, &case.lanes, &drawn, &case.instance).unwrap();
    factors_are_distinct(case, &w.z, drawn.position);
    assert!(case.program.copies().all(|(a, b)| w.value(a, &case.phase0) == w.value(b, &case.phase0)));
    assert_eq!(*w.phi.last().unwrap(), Fr::ZERO);
    for _ in 0..4 {
        another_entry_is_refused(case, rng);
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
