// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier} from "../IInferenceVerifier.sol";
import {InferenceContext} from "../InferenceContext.sol";
import {InferenceEscrow} from "../examples/InferenceEscrow.sol";
import {MockVerifier} from "./MockVerifier.sol";
import {Test} from "./Vm.sol";

/// @title A recipient that calls back before it is paid
contract Reentrant {
    InferenceEscrow private immutable _escrow;
    bytes private _again;

    /// @notice Whether the call back succeeded.
    bool public succeeded;
    /// @notice The status of the request during the call back.
    InferenceEscrow.Status public seen;
    bytes32 private _id;

    /// @param escrow The escrow to call back.
    constructor(InferenceEscrow escrow) {
        _escrow = escrow;
    }

    /// @notice Makes a request of its own.
    function request(bytes32 modelId, bytes32 inputHash, uint64 deadline) external payable returns (bytes32) {
        return _escrow.request{value: msg.value}(modelId, inputHash, deadline);
    }

    /// @notice Calls the escrow, now and once more while being paid.
    function attack(bytes32 id, bytes calldata data) external {
        (_id, _again) = (id, data);
        (bool ok,) = address(_escrow).call(data);
        require(ok);
    }

    /// @notice Calls back, once.
    receive() external payable {
        bytes memory data = _again;
        if (data.length == 0) return;
        delete _again;
        seen = _escrow.requestOf(_id).status;
        (succeeded,) = address(_escrow).call(data);
    }
}

/// @title Tests of the escrow
contract InferenceEscrowTest is Test {
    address private constant ALICE = address(0xa11ce);
    address private constant BOB = address(0xb0b);
    address private constant MALLORY = address(0xbad);
    bytes32 private constant MODEL = "model";
    bytes private constant INPUT = "input";
    bytes private constant OUTPUT = "output";
    bytes private constant PROOF = "proof";
    uint64 private constant DEADLINE = 1000;

    MockVerifier private _verifier;
    InferenceEscrow private _escrow;

    /// @notice An escrow on a mock verifier, and money for all.
    function setUp() external {
        _verifier = new MockVerifier();
        _escrow = new InferenceEscrow(_verifier);
        vm.warp(500);
        vm.deal(ALICE, 10 ether);
        vm.deal(address(this), 10 ether);
    }

    /// @notice The verifier must be a contract.
    function test_constructor_refusesAVerifierWithoutCode() external {
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.NoVerifier.selector, ALICE));
        new InferenceEscrow(IInferenceVerifier(ALICE));
        eq(address(_escrow.verifier()), address(_verifier));
    }

    /// @notice A request is recorded as made, and holds the reward.
    function test_request_isRecorded() external {
        bytes32 expected = keccak256(abi.encode(block.chainid, address(_escrow), ALICE, 0));
        vm.expectEmit(address(_escrow));
        emit InferenceEscrow.Requested(expected, ALICE, MODEL, keccak256(INPUT), DEADLINE, 1 ether);
        bytes32 id = _request();
        eq(id, expected);
        _check(id, InferenceEscrow.Status.Open, 0);
        eq(address(_escrow).balance, 1 ether);
    }

    /// @notice Same words, another id: by number, requester, chain and contract.
    function test_request_hasAnIdOfItsOwn() external {
        bytes32 first = _request();
        no(first == _request());
        InferenceEscrow second = new InferenceEscrow(_verifier);
        InferenceEscrow third = new InferenceEscrow(_verifier);
        vm.prank(ALICE);
        bytes32 there = second.request{value: 1}(MODEL, keccak256(INPUT), DEADLINE);
        no(first == there);
        no(there == third.request{value: 1}(MODEL, keccak256(INPUT), DEADLINE));
        vm.chainId(77);
        InferenceEscrow fork = new InferenceEscrow(_verifier);
        vm.prank(ALICE);
        eq(
            fork.request{value: 1}(MODEL, keccak256(INPUT), DEADLINE),
            keccak256(abi.encode(77, address(fork), ALICE, 0))
        );
    }

    /// @notice A request without money is refused.
    function test_request_refusesNoReward() external {
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.NoReward.selector));
        _escrow.request(MODEL, keccak256(INPUT), DEADLINE);
    }

    /// @notice A request that nobody can deliver in time is refused; in the last second it is not.
    function test_request_refusesAPastDeadline() external {
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.DeadlinePassed.selector, DEADLINE));
        _escrow.request{value: 1}(MODEL, keccak256(INPUT), DEADLINE);
        vm.warp(DEADLINE);
        _request();
    }

    /// @notice The escrow takes money with a request only.
    function test_escrow_takesNoOtherMoney() external {
        (bool ok,) = address(_escrow).call{value: 1}("");
        no(ok);
    }

    /// @notice A proof for the request and the payee pays the payee, whoever sends it.
    function test_deliver_paysThePayee() external {
        bytes32 id = _request();
        _prove(id, BOB);
        vm.expectEmit(address(_escrow));
        emit InferenceEscrow.Delivered(id, BOB, OUTPUT);
        vm.prank(MALLORY);
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
        eq(BOB.balance, 1 ether);
        eq(MALLORY.balance, 0);
        eq(address(_escrow).balance, 0);
        _check(id, InferenceEscrow.Status.Delivered, keccak256(OUTPUT));
    }

    /// @notice The context is the one that the library computes.
    function test_contextOf_bindsRequestPayeeAndDeadline() external {
        bytes32 id = _request();
        eq(_escrow.contextOf(id, BOB), InferenceContext.digest(block.chainid, address(_escrow), id, BOB, DEADLINE));
    }

    /// @notice Whoever copies a delivery and names another payee gets nothing.
    function test_deliver_cannotBeFrontRun() external {
        bytes32 id = _request();
        _prove(id, BOB);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        _escrow.deliver(id, INPUT, OUTPUT, MALLORY, PROOF);
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
        eq(BOB.balance, 1 ether);
    }

    /// @notice A proof pays once.
    function test_deliver_refusesAReplay() external {
        bytes32 id = _request();
        _request();
        _prove(id, BOB);
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
        vm.expectRevert(_notOpen(id, InferenceEscrow.Status.Delivered));
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
        eq(BOB.balance, 1 ether);
    }

    /// @notice A proof for one request is of no use for an equal one.
    function test_deliver_refusesAProofForAnotherRequest() external {
        bytes32 first = _request();
        bytes32 second = _request();
        _prove(first, BOB);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        _escrow.deliver(second, INPUT, OUTPUT, BOB, PROOF);
    }

    /// @notice A proof for one chain is of no use on its fork.
    function test_deliver_refusesAProofForAnotherChain() external {
        bytes32 id = _request();
        _prove(id, BOB);
        vm.chainId(77);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
    }

    /// @notice Another output, proof or model is not proved.
    function test_deliver_refusesWhatIsNotProved() external {
        bytes32 id = _request();
        _prove(id, BOB);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        _escrow.deliver(id, INPUT, "another output", BOB, PROOF);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        _escrow.deliver(id, INPUT, OUTPUT, BOB, "another proof");
        vm.prank(ALICE);
        id = _escrow.request{value: 1 ether}(MODEL, keccak256(INPUT), DEADLINE);
        _verifier.accept("another model", INPUT, OUTPUT, _escrow.contextOf(id, BOB), PROOF);
        vm.expectRevert(abi.encodeWithSelector(IInferenceVerifier.InvalidProof.selector));
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
    }

    /// @notice A true inference of another input is not what was asked for.
    function test_deliver_refusesAnotherInput() external {
        bytes32 id = _request();
        _verifier.accept(MODEL, "another input", OUTPUT, _escrow.contextOf(id, BOB), PROOF);
        vm.expectRevert(
            abi.encodeWithSelector(InferenceEscrow.WrongInput.selector, keccak256(INPUT), keccak256("another input"))
        );
        _escrow.deliver(id, "another input", OUTPUT, BOB, PROOF);
    }

    /// @notice There is nothing to deliver for an id that nobody was given.
    function test_deliver_refusesAnUnknownRequest() external {
        _verifier.accept(0, "", OUTPUT, _escrow.contextOf("unknown", BOB), PROOF);
        vm.expectRevert(_notOpen("unknown", InferenceEscrow.Status.None));
        _escrow.deliver("unknown", "", OUTPUT, BOB, PROOF);
    }

    /// @notice The last second counts, the next one does not.
    function test_deliver_countsUntilTheDeadline() external {
        bytes32 late = _request();
        bytes32 early = _request();
        _prove(late, BOB);
        _prove(early, BOB);
        vm.warp(DEADLINE);
        _escrow.deliver(early, INPUT, OUTPUT, BOB, PROOF);
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.DeadlinePassed.selector, DEADLINE));
        _escrow.deliver(late, INPUT, OUTPUT, BOB, PROOF);
    }

    /// @notice A payee that refuses money makes the delivery fail, and the request stays open for others.
    function test_deliver_revertsIfThePayeeRefuses() external {
        bytes32 id = _request();
        _prove(id, address(_verifier));
        _prove(id, BOB);
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.PaymentFailed.selector, address(_verifier)));
        _escrow.deliver(id, INPUT, OUTPUT, address(_verifier), PROOF);
        _check(id, InferenceEscrow.Status.Open, 0);
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
        eq(BOB.balance, 1 ether);
    }

    /// @notice A payee that delivers again while being paid is paid once.
    function test_deliver_paysAReentrantPayeeOnce() external {
        Reentrant payee = new Reentrant(_escrow);
        bytes32 id = _request();
        _request();
        _prove(id, address(payee));
        payee.attack(id, abi.encodeCall(InferenceEscrow.deliver, (id, INPUT, OUTPUT, address(payee), PROOF)));
        no(payee.succeeded());
        eq(uint256(payee.seen()), uint256(InferenceEscrow.Status.Delivered));
        eq(address(payee).balance, 1 ether);
        eq(address(_escrow).balance, 1 ether);
    }

    /// @notice After the deadline the requester gets the money back, once.
    function test_refund_paysTheRequester() external {
        bytes32 id = _request();
        _request();
        vm.warp(DEADLINE + 1);
        vm.expectEmit(address(_escrow));
        emit InferenceEscrow.Refunded(id);
        vm.prank(ALICE);
        _escrow.refund(id);
        eq(ALICE.balance, 9 ether);
        _check(id, InferenceEscrow.Status.Refunded, 0);
        vm.prank(ALICE);
        vm.expectRevert(_notOpen(id, InferenceEscrow.Status.Refunded));
        _escrow.refund(id);
        vm.expectRevert(_notOpen(id, InferenceEscrow.Status.Refunded));
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
    }

    /// @notice Before the end of the deadline's second there is no refund.
    function test_refund_waitsForTheDeadline() external {
        bytes32 id = _request();
        vm.warp(DEADLINE);
        vm.prank(ALICE);
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.DeadlineNotPassed.selector, DEADLINE));
        _escrow.refund(id);
    }

    /// @notice Nobody else gets or triggers a refund.
    function test_refund_isForTheRequester() external {
        bytes32 id = _request();
        vm.warp(DEADLINE + 1);
        vm.prank(MALLORY);
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.NotRequester.selector, ALICE, MALLORY));
        _escrow.refund(id);
    }

    /// @notice What was delivered is not refunded, and what nobody asked for is not either.
    function test_refund_refusesWhatIsNotOpen() external {
        bytes32 id = _request();
        _prove(id, BOB);
        _escrow.deliver(id, INPUT, OUTPUT, BOB, PROOF);
        vm.warp(DEADLINE + 1);
        vm.prank(ALICE);
        vm.expectRevert(_notOpen(id, InferenceEscrow.Status.Delivered));
        _escrow.refund(id);
        vm.prank(address(0));
        vm.expectRevert(_notOpen("unknown", InferenceEscrow.Status.None));
        _escrow.refund("unknown");
    }

    /// @notice A requester that asks for the refund again while being refunded gets it once.
    function test_refund_paysAReentrantRequesterOnce() external {
        Reentrant requester = new Reentrant(_escrow);
        bytes32 id = requester.request{value: 1 ether}(MODEL, keccak256(INPUT), DEADLINE);
        _request();
        vm.warp(DEADLINE + 1);
        requester.attack(id, abi.encodeCall(InferenceEscrow.refund, (id)));
        no(requester.succeeded());
        eq(uint256(requester.seen()), uint256(InferenceEscrow.Status.Refunded));
        eq(address(requester).balance, 1 ether);
        eq(address(_escrow).balance, 1 ether);
    }

    /// @notice A requester that refuses money gets an error, and can come back.
    function test_refund_revertsIfTheRequesterRefuses() external {
        vm.deal(address(_verifier), 1 ether);
        vm.prank(address(_verifier));
        bytes32 id = _escrow.request{value: 1 ether}(MODEL, keccak256(INPUT), DEADLINE);
        vm.warp(DEADLINE + 1);
        vm.prank(address(_verifier));
        vm.expectRevert(abi.encodeWithSelector(InferenceEscrow.PaymentFailed.selector, address(_verifier)));
        _escrow.refund(id);
        eq(uint256(_escrow.requestOf(id).status), uint256(InferenceEscrow.Status.Open));
    }

    /// @dev A request of ALICE's, with a reward of 1 ether.
    function _request() private returns (bytes32) {
        vm.prank(ALICE);
        return _escrow.request{value: 1 ether}(MODEL, keccak256(INPUT), DEADLINE);
    }

    /// @dev Makes the proof valid for a request and a payee.
    function _prove(bytes32 id, address payee) private {
        bytes32 context = InferenceContext.digest(block.chainid, address(_escrow), id, payee, DEADLINE);
        _verifier.accept(MODEL, INPUT, OUTPUT, context, PROOF);
    }

    /// @dev The error for a request that is not open.
    function _notOpen(bytes32 id, InferenceEscrow.Status status) private pure returns (bytes memory) {
        return abi.encodeWithSelector(InferenceEscrow.NotOpen.selector, id, status);
    }

    /// @dev Fails unless ALICE's request is as expected.
    function _check(bytes32 id, InferenceEscrow.Status status, bytes32 outputHash) private view {
        InferenceEscrow.Request memory expected =
            InferenceEscrow.Request(ALICE, DEADLINE, status, 1 ether, MODEL, keccak256(INPUT), outputHash);
        eq(keccak256(abi.encode(_escrow.requestOf(id))), keccak256(abi.encode(expected)));
    }
}
