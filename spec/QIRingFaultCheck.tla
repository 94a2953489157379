-------------------------- MODULE QIRingFaultCheck ---------------------------
(***************************************************************************)
(* The fault check of the kernel's poll loop, qi_check_fault, with what it *)
(* reads and writes.                                                       *)
(*                                                                         *)
(* Hardware sets bits of the fault status register FSTS: IQE when the      *)
(* descriptor at IQH is invalid, ITE when a device does not answer an ID,  *)
(* ICE when an unexpected answer comes.  While IQE or ITE is set, nothing  *)
(* is fetched.  Whoever polls reads FSTS, repairs what can be              *)
(* repaired, clears the bits, and finds out what became of its own call.   *)
(* QIRingFaults has the hardware that sets them, and puts all together.    *)
(*                                                                         *)
(* Sources: qi_check_fault in drivers/iommu/intel/dmar.c; Intel VT-d       *)
(* specification, revision 4.1, sections 6.5.2.5, 6.5.2.8, 6.5.2.10,       *)
(* 6.5.2.11 and 11.4.9.9.                                                  *)
(***************************************************************************)
EXTENDS QIRingRules

CONSTANTS
    FaultClasses,   \* What may be injected, a set of the classes below.
    FaultBound,     \* How many faults may be injected, of all classes together.
    Devices,        \* How many devices IDs may address: 1..Devices.
    Itesid,         \* What the field ITESID says of a time-out: Named or Zero.
    AfterIte        \* What becomes of fetched work when ITE is set: Drop, IdsRun or WdsRun.

InvalidId == "invalid-id"                   \* A call brings an ID that the unit refuses.
InvalidWait == "invalid-wd"                 \* A call's WD is one that the unit refuses.
LostAnswer == "lost-answer"                 \* A device that is present does not answer an ID.
DeviceGone == "device-gone"                 \* A device goes for good.
StrayCompletion == "ice"                    \* A completion comes that nobody waits for.

Named == "named"                            \* ITESID names the device that timed out.
Zero == "zero"                              \* Old hardware: ITESID is always 0.

Drop == "drop"                              \* All fetched work is discarded.
IdsRun == "ids-run"                         \* WDs are discarded, and the other IDs still execute.
WdsRun == "wds-run"                         \* As IdsRun, but a WD may still write its status.

(***************************************************************************)
(* Rules of the fault check.  Those of g5plus are in no kernel: g5plus is  *)
(* G5 mended.                                                              *)
(***************************************************************************)
CONSTANTS
    IteWalkRule,    \* Which slots the walk after an ITE looks at.
    TimeOutRule,    \* What a call does if ITESID names a device that is gone.
    IteClearRule,   \* When ITE is cleared.
    StraddlerRule,  \* What becomes of the batch that IQH stands in.
    IqeAtRule,      \* Which invalid descriptor a caller takes for its own.
    IqePatchRule,   \* What is written over it.
    IqeReturnRule,  \* When -EINVAL is returned.
    PresenceRule    \* Whether a post asks first if its devices are there.

Odd == "odd"                                \* Up to G4: the odd ones, in which every WD of G1 lies.
Every == "every"                            \* G5: all of them.
Retry == "retry"                            \* ITESID is not read; the batch is posted again.
GiveUpIfGone == "return"                    \* Since Linux 6.9: it returns -ETIMEDOUT.
BeforeWalk == "before-walk"                 \* Before statuses are set QI_ABORT.
AfterWalk == "after-walk"                   \* g5plus: after that.
Ignore == "ignore"                          \* Nothing.
WriteAbort == "write-abort"                 \* g5plus: its WD is made to write QI_ABORT.
First == "first"                            \* The first descriptor of its batch.
AnyOfBatch == "any"                         \* g5plus: every descriptor of its batch.
CopyWd == "copy-wd"                         \* A copy of the own WD.
NullWd == "null-wd"                         \* g5plus: a WD that writes QI_IN_USE, which no caller waits for.
AtOnce == "at-once"                         \* When IQE has been cleared.
WhenDone == "when-done"                     \* g5plus: when the own WD has completed or was aborted.
Unasked == "unasked"                        \* It does not.
BeforePost == "before-post"                 \* g5plus: it does each time, and gives up if one is gone.

ASSUME FaultsAssumption ==
    /\ FaultClasses \subseteq {InvalidId, InvalidWait, LostAnswer, DeviceGone, StrayCompletion}
    /\ FaultBound \in 0 .. 15 /\ (FaultBound = 0 <=> FaultClasses = {})
    /\ Devices \in 0 .. 2
    /\ FaultClasses \cap {LostAnswer, DeviceGone} # {} => Devices > 0
ASSUME ReadingAssumption == Itesid \in {Named, Zero} /\ AfterIte \in {Drop, IdsRun, WdsRun}
ASSUME ManyIdsAssumption == Counts \subseteq 0 .. 16
ASSUME FaultRulesAssumption ==
    /\ IteWalkRule \in {Odd, Every}
    /\ TimeOutRule \in {Retry, GiveUpIfGone}
    /\ IteClearRule \in {BeforeWalk, AfterWalk}
    /\ StraddlerRule \in {Ignore, WriteAbort}
    /\ IqeAtRule \in {First, AnyOfBatch}
    /\ IqePatchRule \in {CopyWd, NullWd}
    /\ IqeReturnRule \in {AtOnce, WhenDone}
    /\ PresenceRule \in {Unasked, BeforePost}

(***************************************************************************)
(* Generations of the driver with its fault check, and the Linux that has  *)
(* each.                                                                   *)
(***************************************************************************)
KernelCheck(walk, time_out) ==
    /\ IteWalkRule = walk /\ TimeOutRule = time_out
    /\ IteClearRule = BeforeWalk /\ StraddlerRule = Ignore /\ IqeAtRule = First /\ IqePatchRule = CopyWd
    /\ IqeReturnRule = AtOnce /\ PresenceRule = Unasked
G1 == G1Rules /\ KernelCheck(Odd, Retry)            \* 2.6.30 to 5.7.
G3 == G3Rules /\ KernelCheck(Odd, Retry)            \* 5.8 to 6.8.
G3t == G3Rules /\ KernelCheck(Odd, GiveUpIfGone)    \* 6.9 to 6.11.2.
G4 == G4Rules /\ KernelCheck(Odd, GiveUpIfGone)     \* 6.11.3 and later: the fix of 2024.
G4r == G4Rules /\ KernelCheck(Odd, Retry)           \* Backports of it, such as 6.1.113.
G5 == G4Rules /\ KernelCheck(Every, GiveUpIfGone)   \* 7.0, 6.12.78 and later: the fix of 2026, commit fe89277c9ceb.
G5r == G4Rules /\ KernelCheck(Every, Retry)         \* Backports of it, such as 6.1.167.
G5plus ==
    /\ G4Rules
    /\ IteWalkRule = Every /\ TimeOutRule = Retry /\ IteClearRule = AfterWalk /\ StraddlerRule = WriteAbort
    /\ IqeAtRule = AnyOfBatch /\ IqePatchRule = NullWd /\ IqeReturnRule = WhenDone /\ PresenceRule = BeforePost

VARIABLES
    fsts,           \* FSTS: which of IQE, ITE and ICE are set.
    itesid,         \* The device that the field ITESID of IQER names, 0 if none.
    gone,           \* The devices that are gone.
    injected,       \* How many faults have been injected.
    request,        \* request[t]: what t's call asks for.
    outcome,        \* outcome[t]: how t's call will end, as far as is known.
    check,          \* The local variables of the fault check, of whoever is in it.

    \* Ghosts.
    executed_ids,           \* executed_ids[t]: which IDs of t's call were executed.
    executed_since_post,    \* executed_since_post[t]: which of them since t's batch was last posted.
    reposting               \* reposting[t]: t began again and has not written IQT since.

world == <<fsts, itesid, gone, injected>>
seen == <<executed_ids, executed_since_post, reposting>>
faulty == <<world, request, outcome, check, seen>>
vars == <<ring, faulty>>

\* What most steps of the fault check leave as it is.
elsewhere == <<fields, unit, locking, batch, owners, executed, seen, request>>

\* The ring where nothing fails, with the driver's rules.
Ring == INSTANCE QIRing

-----------------------------------------------------------------------------
(***************************************************************************)
(* Words                                                                   *)
(***************************************************************************)

IQE == "IQE"
ITE == "ITE"
ICE == "ICE"

\* How a call ends: with 0, -EAGAIN inside the kernel's loop, -EINVAL or -ETIMEDOUT.
Success == "Success"
Again == "Again"
Einval == "Invalid"
TimedOut == "TimedOut"

\* A WD writes data to desc_status[s].
WdWriting(s, data) == [kind |-> "wd", target |-> s, data |-> data]
InvalidWd(s) == [kind |-> "invalid-wd", target |-> s]

\* d is a WD that tells its owner something.
EndsBatch(d) == d.kind = "invalid-wd" \/ (IsWd(d) /\ d.data # QI_IN_USE)

\* FSTS as read, where the walk after an ITE is and where it ends, ITESID as read.
NoCheck == [fault |-> {}, head |-> NoSlot, tail |-> NoSlot, itesid |-> 0]

FaultCheckPcs ==
    {"CheckAbort", "ReadFsts", "IqeIqh", "PatchDesc", "ClearIqe", "IteIqh", "IteIqt", "ReadIqer", "ClearIte",
     "Walk", "WalkAbort", "StraddlerIqh", "StraddlerLook", "StraddlerSeek", "StraddlerPatch", "RecheckAbort",
     "ClearIce"}

Before(s, k) == (s + Length - k) % Length

-----------------------------------------------------------------------------
(***************************************************************************)
(* The fault check                                                         *)
(***************************************************************************)

\* An error is not forgotten for a later one.
EndWith(t, end) == outcome' = IF outcome[t] = Success THEN [outcome EXCEPT ![t] = end] ELSE outcome

\* t goes on; a pass that is over forgets its variables.
GoOn(t, label, c) == Goto(t, label) /\ check' = IF label = "PollUnlock" THEN NoCheck ELSE c

AfterIteCheck(bits) == IF ICE \in bits THEN "ClearIce" ELSE "PollUnlock"
AfterIqe(bits) == IF ITE \in bits THEN "IteIqh" ELSE AfterIteCheck(bits)

\* t leaves the poll loop from inside the fault check.
Escape(t) == Ring!LeaveLoop(t) /\ check' = NoCheck

\* ITE has been dealt with: t asks whether the device is gone that ITESID named, or looks at its own status again.
Ask(t) ==
    IF TimeOutRule = GiveUpIfGone /\ check.itesid \in gone
    THEN EndWith(t, TimedOut) /\ Escape(t)
    ELSE /\ Goto(t, "RecheckAbort")
         /\ check' = [NoCheck EXCEPT !.fault = check.fault]
         /\ UNCHANGED <<at, outcome>>

\* All that is to be marked has been.
Walked(t) ==
    IF IteClearRule = BeforeWalk
    THEN Ask(t)
    ELSE /\ Goto(t, "ClearIte")
         /\ check' = [check EXCEPT !.head = NoSlot, !.tail = NoSlot]
         /\ UNCHANGED <<at, outcome>>

\* The next slot of the walk, which ends at IQT - 1 and may never get there.
WalkOn(t) ==
    LET next == Before(check.head, IF IteWalkRule = Odd THEN 2 ELSE 1)
        label == IF next # check.tail THEN "Walk" ELSE "StraddlerIqh"
    IN  IF next = check.tail /\ StraddlerRule = Ignore
        THEN Walked(t)
        ELSE Goto(t, label) /\ check' = [check EXCEPT !.head = next] /\ UNCHANGED <<at, outcome>>

\* t compares its WD's status with QI_ABORT: first, and again after an ITE.
CheckAbort(t) ==
    /\ pc[t] \in {"CheckAbort", "RecheckAbort"}
    /\ IF desc_status[WaitIndex(t)] = QI_ABORT
       THEN EndWith(t, Again) /\ Escape(t)
       ELSE /\ UNCHANGED <<at, outcome>>
            /\ IF pc[t] = "CheckAbort"
               THEN Goto(t, "ReadFsts") /\ UNCHANGED check
               ELSE GoOn(t, AfterIteCheck(check.fault), check)
    /\ UNCHANGED <<desc_status, desc, world, elsewhere>>

\* t reads DMAR_FSTS_REG (VT-d 11.4.9.9).
ReadFsts(t) ==
    /\ pc[t] = "ReadFsts"
    /\ GoOn(t, IF IQE \in fsts THEN "IqeIqh" ELSE AfterIqe(fsts), [check EXCEPT !.fault = fsts])
    /\ UNCHANGED <<desc_status, desc, at, world, outcome, elsewhere>>

\* t reads DMAR_IQH_REG: after an IQE to see whether the descriptor is its own, after an ITE to
\* begin the walk before it; g5plus once more to look at the batch there.
ReadIqh(t) ==
    /\ \/ /\ pc[t] = "IqeIqh"
          /\ IF Distance(index[t], iqh) < (IF IqeAtRule = First THEN 1 ELSE Size(t))
             THEN Goto(t, "PatchDesc") /\ check' = [check EXCEPT !.head = iqh]
             ELSE GoOn(t, AfterIqe(check.fault), check)
          /\ UNCHANGED <<at, outcome>>
       \/ /\ pc[t] = "IteIqh" /\ Goto(t, "IteIqt")
          /\ LET last == Before(iqh, 1)
                 head == IF IteWalkRule = Odd /\ last % 2 = 0 THEN last + 1 ELSE last
             IN  check' = [check EXCEPT !.head = head]
          /\ UNCHANGED <<at, outcome>>
       \/ /\ pc[t] = "StraddlerIqh"
          /\ IF Before(iqh, 1) = check.tail
             THEN Walked(t)
             ELSE /\ Goto(t, "StraddlerLook")
                  /\ check' = [check EXCEPT !.head = Before(iqh, 1)]
                  /\ UNCHANGED <<at, outcome>>
    /\ UNCHANGED <<desc_status, desc, world, elsewhere>>

\* t writes over the invalid descriptor.  g5plus, after an ITE, makes the WD of the batch that IQH
\* stands in send its owner back.  Whose the slot is does not change.
PatchDesc(t) ==
    /\ \/ /\ pc[t] = "PatchDesc" /\ Goto(t, "ClearIqe")
          /\ LET own == WdWriting(check.head, QI_DONE)
                 null == WdWriting(check.head, QI_IN_USE)
             IN  desc' = [desc EXCEPT ![check.head] =
                             IF IqePatchRule = CopyWd THEN desc[WaitIndex(t)]
                             ELSE IF check.head = WaitIndex(t) THEN own ELSE null]
          /\ check' = [check EXCEPT !.head = NoSlot]
          /\ UNCHANGED <<at, outcome>>
       \/ /\ pc[t] = "StraddlerPatch"
          /\ desc' = [desc EXCEPT ![check.head] = WdWriting(check.head, QI_ABORT)]
          /\ Walked(t)
    /\ UNCHANGED <<desc_status, world, elsewhere>>

\* t clears IQE; its call will return -EINVAL, with g5plus not yet.
ClearIqe(t) ==
    /\ pc[t] = "ClearIqe"
    /\ fsts' = fsts \ {IQE}
    /\ outcome' = [outcome EXCEPT ![t] = Einval]
    /\ IF IqeReturnRule = AtOnce
       THEN Escape(t)
       ELSE GoOn(t, AfterIqe(check.fault), check) /\ UNCHANGED at
    /\ UNCHANGED <<desc_status, desc, itesid, gone, injected, elsewhere>>

\* The registers have been read.
AfterReading == IF IteClearRule = BeforeWalk THEN "ClearIte" ELSE "Walk"

\* t reads DMAR_IQT_REG; the walk ends before it.
ReadIqt(t) ==
    /\ pc[t] = "IteIqt" /\ Goto(t, IF TimeOutRule = GiveUpIfGone THEN "ReadIqer" ELSE AfterReading)
    /\ check' = [check EXCEPT !.tail = Before(iqt, 1)]
    /\ UNCHANGED <<desc_status, desc, at, world, outcome, elsewhere>>

\* t reads DMAR_IQER_REG for ITESID.
ReadIqer(t) ==
    /\ pc[t] = "ReadIqer" /\ Goto(t, AfterReading)
    /\ check' = [check EXCEPT !.itesid = itesid]
    /\ UNCHANGED <<desc_status, desc, at, world, outcome, elsewhere>>

\* t clears ITE, with which ITESID is gone; g5plus does so after the walk.
ClearIte(t) ==
    /\ pc[t] = "ClearIte"
    /\ fsts' = fsts \ {ITE} /\ itesid' = 0
    /\ IF IteClearRule = BeforeWalk
       THEN Goto(t, "Walk") /\ UNCHANGED <<at, outcome, check>>
       ELSE Ask(t)
    /\ UNCHANGED <<desc_status, desc, gone, injected, elsewhere>>

\* t looks at a status of the walk.
Walk(t) ==
    /\ pc[t] = "Walk"
    /\ IF desc_status[check.head] = QI_IN_USE
       THEN Goto(t, "WalkAbort") /\ UNCHANGED <<at, outcome, check>>
       ELSE WalkOn(t)
    /\ UNCHANGED <<desc_status, desc, world, elsewhere>>

\* t sets that status QI_ABORT.
WalkAbort(t) ==
    /\ pc[t] = "WalkAbort" /\ WalkOn(t)
    /\ SetStatus(check.head, QI_ABORT)
    /\ UNCHANGED <<fields, desc, unit, locking, batch, posted_by, pending_by, executed, seen, world, request>>

\* g5plus: if the descriptor before IQH does not end its batch, t looks for the one that does.
ReadDesc(t) ==
    /\ pc[t] \in {"StraddlerLook", "StraddlerSeek"}
    /\ CASE EndsBatch(desc[check.head]) /\ pc[t] = "StraddlerSeek" ->
                Goto(t, "StraddlerPatch") /\ UNCHANGED <<at, outcome, check>>
         [] ~EndsBatch(desc[check.head]) /\ (pc[t] = "StraddlerLook" \/ check.head # check.tail) ->
                /\ Goto(t, "StraddlerSeek")
                /\ check' = [check EXCEPT !.head = Plus(@, 1)]
                /\ UNCHANGED <<at, outcome>>
         [] OTHER -> Walked(t)
    /\ UNCHANGED <<desc_status, desc, world, elsewhere>>

\* t clears ICE.
ClearIce(t) ==
    /\ pc[t] = "ClearIce"
    /\ fsts' = fsts \ {ICE}
    /\ GoOn(t, "PollUnlock", check)
    /\ UNCHANGED <<desc_status, desc, at, itesid, gone, injected, outcome, elsewhere>>

\* All that t does in the fault check.
CheckFault(t) ==
    \/ CheckAbort(t) \/ ReadFsts(t) \/ ReadIqh(t) \/ PatchDesc(t) \/ ClearIqe(t)
    \/ ReadIqt(t) \/ ReadIqer(t) \/ ClearIte(t) \/ Walk(t) \/ WalkAbort(t) \/ ReadDesc(t) \/ ClearIce(t)

=============================================================================
