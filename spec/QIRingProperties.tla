-------------------------- MODULE QIRingProperties --------------------------
(***************************************************************************)
(* What is checked of QIRing: safety, liveness, and refinement of QI.      *)
(* A property of the form [][A]_vars is about steps: it looks at what a    *)
(* step has written, wherever the driver meant to write.                   *)
(***************************************************************************)
EXTENDS QIRing

(***************************************************************************)
(* Safety                                                                  *)
(***************************************************************************)

\* free_cnt is Length less what lies between free_tail and free_head, and never 0.
FreeCntConsistent == free_cnt = Length - Distance(free_tail, free_head)

\* Slot s lies in [IQH, IQT), or a fetched WD will write its status.
InFlight(s) == Within(s, iqh, iqt) \/ \E i \in DOMAIN pending : IsWd(pending[i]) /\ pending[i].target = s

\* The driver changes the descriptor in slot s, or sets its status QI_IN_USE.
Posted(s) ==
    \/ desc'[s] # desc[s]
    \/ posted_by'[s] # posted_by[s] /\ posted_by'[s] \in Submitters
    \/ desc_status'[s] # desc_status[s] /\ desc_status'[s] = QI_IN_USE /\ UNCHANGED pending

\* No slot is posted that is in flight.
NoOverwriteInFlight == [][\A s \in Slots : Posted(s) => ~InFlight(s)]_vars

\* After every post IQT differs from IQH: a full ring does not look empty.
IqtDiffersFromIqh == [][iqt' # iqt => iqt' # iqh']_vars

\* Hardware never fetches what was not submitted.
HwFetchedUnowned == iqh # iqt => posted_by[iqh] \in Submitters

\* t leaves the poll loop, having seen QI_DONE.
Observes(t) == pc[t] = "Poll" /\ pc'[t] \notin {"Poll", "PollUnlock"}

\* A call returns success only after all its IDs were executed.
SuccessAfterExecution == [][\A t \in Submitters : Observes(t) => executed[t] = count[t]]_vars

\* No submitter takes a QI_DONE that was written for another's WD for its own.
NoStrangerDone == [][\A t \in Submitters : Observes(t) => done_by[PolledSlot(t)] = t]_vars

\* Every access but taking the lock is made with the lock held.
LockHeldOnAccess == \A t \in Submitters : pc[t] \in {"Idle", "Acquire", "PollAcquire"} \/ lock = t

\* No call is pending, and hardware is idle.
AtRest == iqh = iqt /\ pending = <<>> /\ \A t \in Submitters : pc[t] = "Idle"

\* At rest free_cnt is Length.
NoSlotLeak == AtRest => free_cnt = Length

\* No state is terminal in which a call is unfinished.
NoDeadlock == (\A t \in Submitters : pc[t] = "Idle") \/ ENABLED <<Next>>_vars

-----------------------------------------------------------------------------
(***************************************************************************)
(* Liveness                                                                *)
(***************************************************************************)

\* Every posted WD is eventually observed QI_DONE by its owner.
WdEventuallyObservedDone == \A t \in Submitters : Waiting(t) ~> ~Waiting(t)

\* Every call that waits for slots eventually posts its batch.
CallEventuallyPosted == \A t \in Submitters : WantsRoom(t) ~> Waiting(t)

\* Every call eventually returns.
CallEventuallyReturns == \A t \in Submitters : pc[t] # "Idle" ~> pc[t] = "Idle"

\* Nobody keeps the lock for ever.
LockEventuallyDropped == \A t \in Submitters : lock = t ~> lock # t

-----------------------------------------------------------------------------
(***************************************************************************)
(* Refinement: which state of QI a state of the ring stands for.           *)
(*                                                                         *)
(*   Submit(t)    t's IQT write                                            *)
(*   Accept(t)    the fetch of the first descriptor of t's batch           *)
(*   Execute(t)   the execution of an ID of t's batch                      *)
(*   Complete(t)  the status write of t's WD                               *)
(*   Observe(t)   t's poll that sees QI_DONE                               *)
(*   Lose(t)      the step after which the QI_DONE written for t is gone   *)
(*                and t has not seen it                                    *)
(***************************************************************************)

Nothing == -1

\* Hardware has fetched the first descriptor of t's batch.
Begun(t) == Cardinality({k \in 0 .. count[t] : posted_by[Plus(index[t], k)] = t}) < Size(t)

\* The following definitions have the names of the variables of QI, for which INSTANCE takes them.
submitter == [t \in Submitters |-> IF Waiting(t) THEN count[t] ELSE Nothing]

submit == [t \in Submitters |-> IF Waiting(t) /\ ~Begun(t) THEN count[t] ELSE Nothing]

done ==
    [t \in Submitters |->
        IF Waiting(t) /\ desc_status[WaitIndex(t)] = QI_DONE /\ done_by[WaitIndex(t)] = t
        THEN executed[t]
        ELSE Nothing]

\* Batches are fetched one after the other: those whose WD hardware holds come first, in the order
\* in which it holds them, then the one whose WD is still in the ring.
queue ==
    LET Upto(n) == [i \in 1 .. n |-> i]
        HoldsWd(i) == IsWd(pending[i]) /\ pending_by[i] \in Submitters
        PartlyFetched(t) == Waiting(t) /\ posted_by[WaitIndex(t)] = t /\ Begun(t)
        Batch(t) ==
            [submitter |-> t,
             executed |-> executed[t],
             left |-> IF executed[t] > count[t] THEN 0 ELSE count[t] - executed[t]]
        held == SelectSeq(Upto(Len(pending)), HoldsWd)
        partly == SelectSeq(Upto(Cardinality(Submitters)), PartlyFetched)
    IN  [i \in DOMAIN held |-> Batch(pending_by[held[i]])] \o [i \in DOMAIN partly |-> Batch(partly[i])]

Faults == "none"
fault == [t \in Submitters |-> "none"]
again == [t \in Submitters |-> FALSE]

Abs == INSTANCE QI WITH Loss <- "none"
LossyAbs == INSTANCE QI WITH Loss <- "done"

\* Every step of the ring is one step of the specification or none.
RefinesSpec == Abs!Spec

\* No fair run of the ring breaks a fairness condition of the specification.
RefinesFairSpec == Abs!FairSpec

\* As RefinesSpec, against the specification that may lose a Done.
RefinesLossySpec == LossyAbs!Spec

-----------------------------------------------------------------------------

\* What G3 can do wrong, if no slot is handed out whose owner waits, is to lose a Done.  Without this
\* it can also take a Done that was written for another call.
THEOREM GuardedG3OnlyLosesADone ==
    G3Rules /\ Handout = NotWhileOwnerWaits /\ Spec => []TypeOK /\ RefinesLossySpec

=============================================================================
