// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../IInferenceVerifier.sol";
import {InferenceContext} from "../InferenceContext.sol";
import {ScoreGate} from "../examples/ScoreGate.sol";
import {MockVerifier} from "./MockVerifier.sol";
import {Test} from "./Vm.sol";

/// @title Tests of the gate
contract ScoreGateTest is Test {
    address private constant ALICE = address(0xa11ce);
    address private constant MALLORY = address(0xbad);
    bytes32 private constant MODEL = "model";
    bytes private constant INPUT = "input";
    bytes private constant PROOF = "proof";
    uint256 private constant EXPIRY = 1000;

    MockVerifier private _verifier;

    /// @notice A mock verifier.
    function setUp() external {
        _verifier = new MockVerifier();
        vm.warp(500);
    }

    /// @notice The verifier must be a contract.
    function test_constructor_refusesAVerifierWithoutCode() external {
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.NoVerifier.selector, ALICE));
        new ScoreGate(IInferenceVerifier(ALICE), MODEL, 3, 1, 1, 0);
    }

    /// @notice What the gate was made with can be read.
    function test_constructor_keepsItsArguments() external {
        ScoreGate gate = new ScoreGate(_verifier, MODEL, 10, 9, 2, -5);
        eq(address(gate.verifier()), address(_verifier));
        eq(gate.modelId(), MODEL);
        eq(gate.outputElements(), 10);
        eq(gate.outputIndex(), 9);
        eq(gate.elementBytes(), 2);
        eqInt(gate.threshold(), -5);
    }

    /// @notice An element has 1 or 2 bytes.
    function test_constructor_refusesOtherElements() external {
        uint8[3] memory sizes = [0, 3, 255];
        for (uint256 i = 0; i < sizes.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(ScoreGate.InvalidElementBytes.selector, sizes[i]));
            new ScoreGate(_verifier, MODEL, 3, 1, sizes[i], 0);
        }
    }

    /// @notice The score is one of the elements.
    function test_constructor_refusesAnIndexOutside() external {
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.InvalidIndex.selector, 3, 3));
        new ScoreGate(_verifier, MODEL, 3, 3, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.InvalidIndex.selector, 0, 0));
        new ScoreGate(_verifier, MODEL, 0, 0, 1, 0);
        new ScoreGate(_verifier, MODEL, 3, 2, 1, 0);
    }

    /// @notice A threshold that lets everything or nothing pass is a mistake.
    function test_constructor_refusesAnIdleThreshold() external {
        int16[3] memory small = [int16(-129), 127, 128];
        for (uint256 i = 0; i < small.length; i++) {
            vm.expectRevert(abi.encodeWithSelector(ScoreGate.IdleThreshold.selector, small[i]));
            new ScoreGate(_verifier, MODEL, 3, 1, 1, small[i]);
            new ScoreGate(_verifier, MODEL, 3, 1, 2, small[i]);
        }
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.IdleThreshold.selector, type(int16).max));
        new ScoreGate(_verifier, MODEL, 3, 1, 2, type(int16).max);
        new ScoreGate(_verifier, MODEL, 3, 1, 1, -128);
        new ScoreGate(_verifier, MODEL, 3, 1, 1, 126);
        new ScoreGate(_verifier, MODEL, 3, 1, 2, type(int16).min);
        new ScoreGate(_verifier, MODEL, 3, 1, 2, type(int16).max - 1);
    }

    /// @notice A proved score above the threshold passes and is recorded.
    function test_pass_recordsThePass() external {
        ScoreGate gate = _gate(1, 4);
        bytes memory output = hex"000500";
        _prove(gate, ALICE, 0, output);
        vm.expectEmit(address(gate));
        emit ScoreGate.Passed(ALICE, 0, keccak256(INPUT), 5);
        vm.prank(ALICE);
        eqInt(gate.pass(INPUT, output, EXPIRY, PROOF), 5);
        eq(gate.nonces(ALICE), 1);
        eq(keccak256(abi.encode(gate.passOf(ALICE))), keccak256(abi.encode(ScoreGate.Pass(5, 500, keccak256(INPUT)))));
        eq(gate.passOf(MALLORY).passedAt, 0);
    }

    /// @notice The context is the one that the library computes, with the nonce as the request.
    function test_contextOf_bindsAccountNonceAndExpiry() external {
        ScoreGate gate = _gate(1, 4);
        eq(gate.contextOf(ALICE, EXPIRY), InferenceContext.digest(block.chainid, address(gate), 0, ALICE, EXPIRY));
    }

    /// @notice A proof passes once; the next one names the next nonce.
    function test_pass_refusesAReplay() external {
        ScoreGate gate = _gate(1, 4);
        bytes memory output = hex"000500";
        _prove(gate, ALICE, 0, output);
        vm.prank(ALICE);
        gate.pass(INPUT, output, EXPIRY, PROOF);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass(INPUT, output, EXPIRY, PROOF);
        _prove(gate, ALICE, 1, output);
        vm.expectEmit(address(gate));
        emit ScoreGate.Passed(ALICE, 1, keccak256(INPUT), 5);
        vm.prank(ALICE);
        gate.pass(INPUT, output, EXPIRY, PROOF);
    }

    /// @notice A proof for one account does not pass another.
    function test_pass_refusesAProofForAnotherAccount() external {
        ScoreGate gate = _gate(1, 4);
        _prove(gate, ALICE, 0, hex"000500");
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass(INPUT, hex"000500", EXPIRY, PROOF);
    }

    /// @notice A proof for one gate or chain does not pass another.
    function test_pass_refusesAProofForAnotherPlace() external {
        ScoreGate gate = _gate(1, 4);
        _prove(gate, ALICE, 0, hex"000500");
        ScoreGate other = _gate(1, 4);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        other.pass(INPUT, hex"000500", EXPIRY, PROOF);
        vm.chainId(77);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass(INPUT, hex"000500", EXPIRY, PROOF);
    }

    /// @notice The last second counts, the next one does not, and nobody can name a later one.
    function test_pass_countsUntilTheExpiry() external {
        ScoreGate gate = _gate(1, 4);
        bytes memory output = hex"000500";
        _prove(gate, ALICE, 0, output);
        vm.warp(EXPIRY + 1);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.Expired.selector, EXPIRY));
        gate.pass(INPUT, output, EXPIRY, PROOF);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass(INPUT, output, EXPIRY + 1, PROOF);
        vm.warp(EXPIRY);
        vm.prank(ALICE);
        gate.pass(INPUT, output, EXPIRY, PROOF);
    }

    /// @notice Another input, output, proof or model is not proved.
    function test_pass_refusesWhatIsNotProved() external {
        ScoreGate gate = _gate(1, 4);
        bytes memory output = hex"000500";
        _prove(gate, ALICE, 0, output);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass("another input", output, EXPIRY, PROOF);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass(INPUT, hex"000600", EXPIRY, PROOF);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        gate.pass(INPUT, output, EXPIRY, "another proof");
        ScoreGate other = new ScoreGate(_verifier, "another model", 3, 1, 1, 4);
        _prove(other, ALICE, 0, output);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        other.pass(INPUT, output, EXPIRY, PROOF);
    }

    /// @notice A score at the threshold is not above it; nor is a negative one, which is large if read without its sign.
    function test_pass_refusesAScoreThatIsNotAbove() external {
        ScoreGate small = _gate(1, 4);
        _refused(small, hex"7f047f", 4);
        _refused(small, hex"7fff7f", -1);
        _refused(small, hex"7f807f", -128);
        ScoreGate large = _gate(2, 300);
        _refused(large, hex"7fff012c7fff", 300);
        _refused(large, hex"7fffffff7fff", -1);
        _refused(large, hex"7fff80007fff", -32768);
    }

    /// @notice Negative scores pass a negative threshold.
    function test_pass_comparesWithSign() external {
        ScoreGate small = _gate(1, -128);
        _passes(small, hex"808180", -127);
        ScoreGate large = _gate(2, -300);
        _passes(large, hex"8000fed58000", -299);
        _refused(large, hex"7ffffed47fff", -300);
        _passes(large, hex"800000008000", 0);
    }

    /// @notice An output of another length is another model's: the gate was made with the wrong element size.
    function test_pass_refusesAnOutputOfAnotherLength() external {
        ScoreGate gate = _gate(1, 4);
        bytes[4] memory outputs = [bytes(""), hex"0005", hex"00050005", hex"000500050005"];
        for (uint256 i = 0; i < outputs.length; i++) {
            _prove(gate, ALICE, 0, outputs[i]);
            vm.prank(ALICE);
            vm.expectRevert(abi.encodeWithSelector(ScoreGate.InvalidOutputLength.selector, 3, outputs[i].length));
            gate.pass(INPUT, outputs[i], EXPIRY, PROOF);
        }
        gate = _gate(2, 4);
        _prove(gate, ALICE, 0, hex"000500");
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(ScoreGate.InvalidOutputLength.selector, 6, 3));
        gate.pass(INPUT, hex"000500", EXPIRY, PROOF);
    }

    /// @notice For every score, threshold and place, of 1 byte: passes if and only if it is above.
    function testFuzz_pass_smallElements(int8 score, int8 threshold, uint8 index, uint8 rest) external {
        if (threshold == type(int8).max) threshold--;
        index %= 3;
        bytes memory output = new bytes(3);
        for (uint256 i = 0; i < 3; i++) {
            output[i] = bytes1(i == index ? uint8(score) : rest);
        }
        _passesIfAbove(new ScoreGate(_verifier, MODEL, 3, index, 1, threshold), output, score);
    }

    /// @notice The same for elements of 2 bytes.
    function testFuzz_pass_largeElements(int16 score, int16 threshold, uint8 index, int16 rest) external {
        if (threshold == type(int16).max) threshold--;
        index %= 3;
        bytes memory output;
        for (uint256 i = 0; i < 3; i++) {
            output = bytes.concat(output, bytes2(uint16(i == index ? score : rest)));
        }
        _passesIfAbove(new ScoreGate(_verifier, MODEL, 3, index, 2, threshold), output, score);
    }

    /// @dev A gate on the middle one of three elements.
    function _gate(uint8 elementBytes, int16 threshold) private returns (ScoreGate) {
        return new ScoreGate(_verifier, MODEL, 3, 1, elementBytes, threshold);
    }

    /// @dev Makes the proof valid for a gate, an account and its nonce.
    function _prove(ScoreGate gate, address account, uint256 nonce, bytes memory output) private {
        bytes32 context = InferenceContext.digest(block.chainid, address(gate), bytes32(nonce), account, EXPIRY);
        _verifier.accept(MODEL, INPUT, output, context, PROOF);
    }

    /// @dev Fails unless the gate lets a proved output pass exactly if its score is above the threshold.
    function _passesIfAbove(ScoreGate gate, bytes memory output, int16 score) private {
        if (score > gate.threshold()) _passes(gate, output, score);
        else _refused(gate, output, score);
    }

    /// @dev Fails unless the gate lets a proved output pass with this score.
    function _passes(ScoreGate gate, bytes memory output, int16 score) private {
        _prove(gate, ALICE, gate.nonces(ALICE), output);
        vm.prank(ALICE);
        eqInt(gate.pass(INPUT, output, EXPIRY, PROOF), score);
        eqInt(gate.passOf(ALICE).score, score);
    }

    /// @dev Fails unless the gate refuses a proved output for this score.
    function _refused(ScoreGate gate, bytes memory output, int16 score) private {
        _prove(gate, ALICE, gate.nonces(ALICE), output);
        bytes memory data = abi.encodeWithSelector(ScoreGate.ScoreTooLow.selector, gate.threshold(), score);
        vm.prank(ALICE);
        vm.expectRevert(data);
        gate.pass(INPUT, output, EXPIRY, PROOF);
    }
}
