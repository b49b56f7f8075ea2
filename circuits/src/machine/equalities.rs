//! Every equality of a layer is needed: a forgery that fails at one of them alone is accepted once that one is taken out, and refused with it.
//!
//! Gates are in `forgeries.rs`. Here all gates and lookups hold, multiplicities are honest, and what is wrong is a value that is
//! consistent with its tables.

use crate::integer::{Activation, Function, Interval};
use crate::network::{LayerWeights, Term, Window};
use crate::program::{Lane, Layout, SlotSource};
use crate::testing::{Case, Keys, NetworkBuilder, SIGNED8, conv};
use crate::witness::{ChallengeValues, phase_one};
use halo2_proofs::halo2curves::bn256::Fr;

/// The equality that a forged witness breaks; it breaks no other and no pin.
fn broken(case: &Case) -> usize {
    for (row, r) in case.program.rows.iter().enumerate() {
        let lookups = [(r.kappa, case.phase0.r[row], 0), (r.tag, case.phase0.q[row], case.phase0.y[row])];
        let found = lookups.iter().all(|(tag, q, y)| case.program.table.find(*tag, *q as i64, *y).is_some());
        assert!(found, "row {row} is in no table");
    }
    let [channel, position, alpha, beta] = [3, 5, 7, 1_000_003].map(Fr::from);
    let challenges = ChallengeValues { channel, position, alpha, beta };
    let w = phase_one(&case.program, &case.phase0, &case.lanes, &challenges, &case.instance).unwrap();
    let holds = |(a, b)| w.value(a, &case.phase0) == w.value(b, &case.phase0);
    let all = case.program.copies().filter(|pair| !holds(*pair)).count();
    let equalities = case.program.equalities.iter().enumerate();
    let broken: Vec<usize> = equalities.filter(|(_, pair)| !holds(**pair)).map(|(index, _)| index).collect();
    assert_eq!((all, broken.len()), (1, 1), "what is forged breaks one equality");
    broken[0]
}

/// Refused, but accepted without the equality that it breaks. Returns which one that is.
pub(crate) fn assert_needed(forged: &Case, what: &str) -> usize {
    let accepts = |case: &Case| Keys::new(&case.circuit()).accepts(case.circuit(), &case.instance);
    let index = broken(forged);
    assert!(!accepts(forged), "{what}");
    let mut weak = forged.clone();
    weak.program.equalities.remove(index);
    assert!(accepts(&weak), "{what}: the forgery is no forgery");
    index
}

/// Sets the outputs to what is claimed, in the rows that pack them, and the public words with them.
fn claim(case: &mut Case, claimed: &[i64]) {
    let output = case.architecture.output;
    for (row, r) in case.program.rows.iter().enumerate() {
        if let Lane::Value { node, index, lo } = r.lane
            && node == output
        {
            (case.phase0.q[row], case.phase0.y[row]) = ((claimed[index] - lo) as u64, claimed[index]);
        }
    }
    case.recount();
    case.instance = crate::witness::instance(&case.program, &case.trace.values[0].clone(), claimed);
}

/// One row of four, its second, third and fourth element equal and greatest.
fn search() -> Case {
    let mut b = NetworkBuilder::new(&[1, 4], Interval::new(-9, 9), 32);
    b.before_max(0);
    b.build_on(Layout::direct(2), vec![3, 7, 7, 7])
}

/// Claims that the first greatest element stands at `first`, and that the elements in `lies` are what that needs of them: no less
/// than the maximum if it is `first`, less if they stand before it.
fn search_forged(first: usize, bits: [i64; 4]) -> Case {
    let honest = search();
    let mut case = honest.clone();
    for (row, r) in honest.program.rows.iter().enumerate() {
        match r.lane {
            Lane::BelowValue { node: 0, index, .. } => {
                case.phase0.y[row] = i64::from(index == first);
                if index == first {
                    case.phase0.q[row] = 0;
                }
            }
            Lane::Before { index, .. } => {
                case.phase0.y[row] = bits[index];
                if bits[index] == 1 && case.phase0.q[row] == 0 {
                    case.phase0.q[row] = 1;
                }
            }
            _ => {}
        }
    }
    claim(&mut case, &bits);
    case
}

#[test]
fn the_three_of_a_first_maximum() {
    let honest = search();
    assert!(Keys::new(&honest.circuit()).accepts(honest.circuit(), &honest.instance));
    // An element that is not greatest is said to be: its difference is 0 for the first equality alone.
    let not_greatest = assert_needed(&search_forged(0, [0; 4]), "an element that is not greatest");
    // A later one of equals: those before it are said to be less, for the second equality alone.
    let later = assert_needed(&search_forged(2, [1, 1, 0, 0]), "a later one of equal elements");
    // Bits that say another place than the one that is greatest: the third.
    let elsewhere = assert_needed(&search_forged(1, [0; 4]), "bits that do not fit the place");
    assert!(not_greatest < later && later < elsewhere, "three equalities");
}

/// A value in limbs has two equalities, that of its accumulator and that of its argument.
#[test]
fn the_two_of_a_value_in_limbs() {
    let mut b = NetworkBuilder::new(&[4], Interval::new(1, 15), 21);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: 0 }]);
    for layout in ["2:2", "2:2:flat", "2:2:flat:paired"] {
        both_needed(&b.clone().build_in(layout.parse().unwrap()));
    }
}

fn both_needed(honest: &Case) {
    let output = honest.architecture.output;
    let row = |wanted: &dyn Fn(Lane) -> bool| honest.program.rows.iter().position(|r| wanted(r.lane)).unwrap();
    let inside = row(&|lane| matches!(lane, Lane::Inside { node, index: 0, .. } if node == output));
    let low = row(&|lane| matches!(lane, Lane::Limb { node, index: 0, low: 0, .. } if node == output));
    let entry = |case: &mut Case, q: u64| {
        let tag = honest.program.rows[inside].tag;
        let found = honest.program.table.rows().iter().find(|e| (e.0, e.1) == (tag, q as i64)).expect("an argument");
        (case.phase0.q[inside], case.phase0.y[inside]) = (q, found.2);
    };
    // The argument of the table alone: the quotient of the accumulator stays.
    let mut forged = honest.clone();
    entry(&mut forged, honest.phase0.q[inside] ^ 1);
    let mut claimed = honest.trace.values[output].clone();
    claimed[0] = forged.phase0.y[inside];
    claim(&mut forged, &claimed);
    let argument = assert_needed(&forged, "another argument");
    // A limb of the remainder alone.
    let mut forged = honest.clone();
    forged.phase0.r[low] ^= 1;
    forged.recount();
    let accumulator = assert_needed(&forged, "another remainder");
    assert_ne!(argument, accumulator);
}

/// The maximum of a window is claimed one higher, and every difference with it: then no element is said to attain it.
#[test]
fn the_two_of_a_fused_maximum() {
    let mut b = NetworkBuilder::new(&[1, 2, 2], Interval::new(0, 15), 31);
    let relu = Activation { function: Function::Relu, range: Interval::new(0, 31) };
    let first = b.affine(&[1, 2, 2], relu, vec![conv(0, [1, 1], [1, 1], [0; 4])]);
    b.max_pool(first, [2, 2]);
    b.set_weights(first, LayerWeights { terms: vec![vec![32]], bias: vec![5] });
    let honest = b.build_on(Layout::direct(2), vec![3, 7, 2, 7]);
    let forge = |bits: bool, values: bool| {
        let mut forged = honest.clone();
        let mut claimed = vec![0];
        for (row, r) in honest.program.rows.iter().enumerate() {
            match r.lane {
                Lane::Below { .. } => {
                    if values {
                        forged.phase0.q[row] += 1;
                    }
                    if bits {
                        forged.phase0.y[row] = 0;
                    }
                }
                Lane::Greatest { .. } => {
                    forged.phase0.q[row] += u64::from(values);
                    forged.phase0.y[row] += i64::from(values);
                    claimed = vec![forged.phase0.y[row]];
                }
                _ => {}
            }
        }
        claim(&mut forged, &claimed);
        forged
    };
    assert_eq!(honest.trace.values[honest.architecture.output], [7]);
    let attained = assert_needed(&forge(true, true), "a maximum that no element attains");
    let mut lower = honest.clone();
    // The maximum alone: its window's accumulators are then others.
    let row = honest.program.rows.iter().position(|r| matches!(r.lane, Lane::Greatest { .. })).unwrap();
    lower.phase0.q[row] -= 1;
    lower.phase0.y[row] -= 1;
    claim(&mut lower, &[6]);
    let accumulators = assert_needed(&lower, "a maximum that is an element's no more");
    assert_ne!(attained, accumulators);
}

/// A registrant's weight in a lane of another group meets no output: only the layer's equality says so.
#[test]
fn the_one_of_a_grouped_convolution() {
    let mut b = NetworkBuilder::new(&[2, 1, 1], Interval::new(1, 9), 33);
    let window = Window { kernel: [1, 1], strides: [1, 1], pads: [0; 4], dilations: [1, 1] };
    b.affine(&[2, 1, 1], SIGNED8, vec![Term::Conv { input: 0, window, groups: 2 }]);
    b.set_weights(1, LayerWeights { terms: vec![vec![5, 7]], bias: vec![1, 1] });
    let mut forged = b.build_on(Layout::direct(2), vec![3, 4]);
    let slot = |row: usize| forged.program.rows[row].slot.filter(|s| s.first == 0 && s.source != SlotSource::Bias);
    let row = forged.lanes.rows.iter().position(|(row, _)| slot(*row).is_some()).expect("group 0 has a weight");
    forged.lanes.rows[row].1[1] = 64;
    assert_needed(&forged, "a weight in an unused lane");
}

/// A quotient that is off by one, its remainder as it was.
#[test]
fn the_one_of_a_requantised_layer() {
    let mut b = NetworkBuilder::new(&[4], Interval::new(1, 15), 21);
    b.affine(&[2], SIGNED8, vec![Term::Dense { input: 0 }]);
    let honest = b.build(2);
    let output = honest.architecture.output;
    for by in [-1, 1] {
        let mut forged = honest.clone();
        let mut claimed = honest.trace.values[output].clone();
        for (row, r) in honest.program.rows.iter().enumerate() {
            if let Lane::Requantised { node, index: 0, .. } = r.lane
                && node == output
            {
                forged.phase0.q[row] = forged.phase0.q[row].strict_add_signed(by);
                forged.phase0.y[row] += by;
                claimed[0] += by;
            }
        }
        claim(&mut forged, &claimed);
        assert_needed(&forged, "a quotient that is off by one");
    }
}

/// `sign(0)` is 0: neither 1 nor -1 has an entry, and one that is claimed anyway fails at the lookup.
#[test]
fn the_sign_of_zero() {
    use crate::formula::{Formula, Real};
    let function =
        Function::Formula { formula: Formula::Sign, from: Real(1.0), to: Real(1.0), domain: Interval::new(-9, 9) };
    let mut b = NetworkBuilder::new(&[3], Interval::new(-9, 9), 34);
    let sign = Activation { function, range: Interval::new(-1, 1) };
    b.affine(&[3], sign, vec![Term::Scale { input: 0, factor: 32 }]);
    b.set_weights(1, LayerWeights { terms: vec![vec![]], bias: vec![0; 3] });
    let case = b.build_on(Layout::direct(2), vec![-4, 0, 6]);
    assert_eq!(case.trace.values[1], [-1, 0, 1]);
    let keys = Keys::new(&case.circuit());
    let row = |index| {
        case.program.rows.iter().position(|r| matches!(r.lane, Lane::Requantised { index: i, .. } if i == index))
    };
    let zero = row(1).unwrap();
    for claimed in [-1, 0, 1] {
        let mut forged = case.clone();
        forged.phase0.y[zero] = claimed;
        claim(&mut forged, &[-1, claimed, 1]);
        assert_eq!(keys.accepts(forged.circuit(), &forged.instance), claimed == 0, "sign(0) = {claimed}");
    }
}
