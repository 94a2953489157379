------------------------------ MODULE QITrace -------------------------------
(***************************************************************************)
(* Whether a trace is one of a real driver on this ring: TLC looks for a   *)
(* behaviour of QIRing, followed by QI, that looks like the trace.  The    *)
(* same question as crates/traces answers, with the same three kinds of    *)
(* visible events (see QITraceData): IQT writes, fetches, status writes.   *)
(* The lock, the driver's writes to the ring, polls, MARK, RECLAIM and the *)
(* execution of IDs are hidden, and TLC chooses them.                      *)
(*                                                                         *)
(* An accepted trace has such a behaviour, whatever is said below: every   *)
(* step is an unchanged action of QIRing, and only IsWriteIqt, IsFetch and *)
(* IsComplete go on to the next event, each by doing what the event says.  *)
(* What is left out could at worst make TLC reject too much.  Left out,    *)
(* with Grain = "sections", is nothing that matters:                       *)
(*                                                                         *)
(*   - A Call(t) is taken when the next event is t's IQT write, with the   *)
(*     count that this posts, and the lock at once.  An idle t that waits  *)
(*     with its call changes nothing, and a look that finds no room or no  *)
(*     DONE leaves all as it was.  (The lock is strongly fair, no queue.)  *)
(*   - An ID executes as soon as it can.  That disables nothing, and       *)
(*     neither the driver nor an event sees it.                            *)
(*   - While t holds the lock nobody else moves.  Only hardware could, and *)
(*     of its steps only the status write touches what t touches.  Posting,*)
(*     the poll and MARK commute with it under Premise; RECLAIM might as   *)
(*     well have run as a whole at its last read: a slot that read FREE is *)
(*     written by nobody, one that read DONE was DONE from then on, and    *)
(*     one that reads IN_USE is the last.                                  *)
(*   - A clean-up does not begin just after a fetch: fetches commute with  *)
(*     it, so it might as well have come before.                           *)
(*                                                                         *)
(* Premise is checked as an invariant.  Where it fails the trace is        *)
(* neither accepted nor rejected; Grain = "steps" leaves nothing out but   *)
(* calls with counts that are not posted, and takes long.                  *)
(***************************************************************************)
EXTENDS QIRingProperties, QITraceData, TLC

CONSTANTS
    Qemu,           \* "stock": drains the queue inside the IQT write; "async": a thread of its own.
    End,            \* "idle": the trace is complete; "anywhere": a longer one's beginning.
    Grain           \* "sections" or "steps": how fine the hidden steps are.

VARIABLE l          \* The next event is Trace[l].

-----------------------------------------------------------------------------
(***************************************************************************)
(* The trace                                                               *)
(***************************************************************************)

MaxIds == 16        \* QI_MAX_BATCHED_DESC_COUNT of the kernel, since 6.12; before, fewer.
QiDone == 2         \* The kernel's QI_DONE, the status data of each WD.

\* Nothing is accepted for being empty or unknown.
ASSUME TraceAssumption ==
    /\ Len(Trace) > 0
    /\ \A i \in DOMAIN Trace : Trace[i].event \in {"WriteIqt", "Fetch", "Complete"}
    /\ \A i \in 2 .. Len(Trace) : Trace[i - 1].line < Trace[i].line

ASSUME DriverAssumption ==
    /\ Lock = StrongFair
    /\ Qemu \in {"stock", "async"}
    /\ Qemu = "stock" => Hardware = InOrder /\ Depth = 1
    /\ End \in {"idle", "anywhere"}
    /\ Grain \in {"sections", "steps"}
    /\ Grain = "sections" =>
        CleanUpRule = Locked /\ PublishRule = StatusWdIqt /\ ReclaimRule # WhileFree

IqtWrites == {i \in DOMAIN Trace : Trace[i].event = "WriteIqt"}

\* For Submitters and Counts: who posts, and how many IDs.
TraceSubmitters ==
    {1} \cup UNION {1 .. Trace[i].cpu : i \in IqtWrites}

TraceCounts ==
    LET most == IF TraceLength - 2 < MaxIds THEN TraceLength - 2 ELSE MaxIds
        posted == {Trace[i].count : i \in IqtWrites} \cap (0 .. most)
    IN  IF posted = {} THEN {0} ELSE posted

-----------------------------------------------------------------------------
(***************************************************************************)
(* Visible events                                                          *)
(***************************************************************************)

IsEvent(kind) == l <= Len(Trace) /\ Trace[l].event = kind /\ l' = l + 1

Drained == iqh = iqt /\ \A i \in DOMAIN pending : pending[i].kind # "wd"

\* IQT is written by the CPU, for a batch of so many IDs, and is the slot then.
IsWriteIqt(t) ==
    /\ IsEvent("WriteIqt")
    /\ Trace[l].cpu = t
    /\ Trace[l].count = count[t]
    /\ Qemu = "stock" => Drained
    /\ WriteIqt(t)
    /\ iqt' = Trace[l].slot

\* The slot is fetched, and in it lies what was read.
IsFetch ==
    /\ IsEvent("Fetch")
    /\ Trace[l].slot = iqh
    /\ desc[iqh] = (IF Trace[l].desc = "WD" THEN Wd(Trace[l].target) ELSE Id)
    /\ Fetch

\* The status write goes to the slot that is due, and says DONE.
IsComplete ==
    /\ IsEvent("Complete")
    /\ pending # <<>>
    /\ Head(pending).kind = "wd"
    /\ Trace[l].target = Head(pending).target
    /\ Trace[l].data = QiDone
    /\ Complete

-----------------------------------------------------------------------------
(***************************************************************************)
(* Hidden steps, and which of them are taken when                          *)
(***************************************************************************)

CanExecute == Acting # {}

SeesDone(t) == desc_status[PolledSlot(t)] = QI_DONE

\* t's next IQT write posts n IDs; with sections, it is the next event.
NextPost(t, n) ==
    LET Posts(i) == Trace[i].event = "WriteIqt" /\ Trace[i].cpu = t
    IN  \E i \in l .. Len(Trace) :
            /\ Grain = "sections" => i = l
            /\ Posts(i)
            /\ \A j \in l .. i - 1 : ~Posts(j)
            /\ Trace[i].count = n

\* A clean-up may begin.
AtSection == l = 1 \/ Trace[l - 1].event # "Fetch"

DriverMoves(t) ==
    \/ Grain = "steps"
    \/ lock = t
    \/ /\ lock = Nobody
       /\ ~CanExecute
       /\ \A u \in Submitters \ {t} : pc[u] # "Acquire"
       /\ CASE pc[t] = "Idle" -> TRUE
            [] pc[t] = "Acquire" -> free_cnt >= Needed(t)
            [] pc[t] = "PollAcquire" -> AtSection /\ SeesDone(t)

HardwareMoves == Grain = "steps" \/ lock = Nobody

\* What is fetched first executes, if it is an ID.
UnitMoves == HardwareMoves /\ (Grain = "sections" => ~CanExecute)

HiddenCall(t) == DriverMoves(t) /\ Call(t) /\ NextPost(t, count'[t])

HiddenStep(t) ==
    /\ DriverMoves(t)
    /\ \/ Acquire(t)
       \/ Unlock(t)
       \/ Look(t)
       \/ WriteId(t)
       \/ IdInUse(t)
       \/ WdInUse(t)
       \/ WriteWd(t)
       \/ Poll(t)
       \/ Mark(t)
       \/ Reclaim(t)
       \/ ReclaimFree(t)

HiddenExecute == HardwareMoves /\ Execute

-----------------------------------------------------------------------------

TraceInit == Init /\ l = 1

\* Each step is one of the specification or none.
FollowsSpec == UNCHANGED Abs!vars \/ Abs!Next

TraceNext ==
    /\ \/ \E t \in Submitters : IsWriteIqt(t)
       \/ UnitMoves /\ IsFetch
       \/ UnitMoves /\ IsComplete
       \/ \E t \in Submitters : HiddenCall(t) /\ UNCHANGED l
       \/ \E t \in Submitters : HiddenStep(t) /\ UNCHANGED l
       \/ HiddenExecute /\ UNCHANGED l
    /\ FollowsSpec

TraceSpec == TraceInit /\ [][TraceNext]_<<vars, l>>

-----------------------------------------------------------------------------
(***************************************************************************)
(* What makes sections sound.  Every WD that is posted and has not written *)
(* its status is due to a slot that is IN_USE and none of the holder's,    *)
(* and those not fetched lie in none of the holder's slots.                *)
(***************************************************************************)
InSection(t) ==
    /\ lock = t
    /\ pc[t] \notin {"Poll", "PollUnlock"} \/ (pc[t] = "Poll" /\ SeesDone(t))

Premise ==
    Grain = "sections" =>
        \A t \in Submitters : InSection(t) =>
            LET Own(s) == Distance(index[t], s) < Size(t)
                Harmless(d) ==
                    d.kind = "wd" => ~Own(d.target) /\ desc_status[d.target] = QI_IN_USE
            IN  /\ \A k \in 0 .. Distance(iqh, iqt) - 1 :
                    LET s == Plus(iqh, k) IN ~Own(s) /\ Harmless(desc[s])
                /\ \A i \in DOMAIN pending : Harmless(pending[i])

-----------------------------------------------------------------------------
(***************************************************************************)
(* The verdict.  One behaviour that reaches the end is enough, so how far  *)
(* any has come is noted in a register of TLC, and whether one has ended,  *)
(* and both are looked at when there is nothing left to explore.           *)
(***************************************************************************)
Furthest == 1
Ended == 2

ASSUME TLCSet(Furthest, 0) /\ TLCSet(Ended, FALSE)

AtEnd == l = Len(Trace) + 1 /\ (End = "idle" => AtRest)

\* CONSTRAINT: excludes nothing.
Progress ==
    /\ IF l > TLCGet(Furthest) THEN TLCSet(Furthest, l) ELSE TRUE
    /\ IF AtEnd THEN TLCSet(Ended, TRUE) ELSE TRUE

\* POSTCONDITION.  Each worker has its own registers; a behaviour that matches every
\* event is longer than the trace.
Accepted ==
    LET Of(register) == LET each == TLCGet("all")[register] IN {each[w] : w \in DOMAIN each}
        furthest == CHOOSE n \in Of(Furthest) : \A m \in Of(Furthest) : m <= n
    IN  IF TRUE \in Of(Ended) /\ TLCGet("stats").diameter > Len(Trace)
        THEN PrintT(<<"accepted, events", Len(Trace)>>)
        ELSE IF furthest <= Len(Trace)
        THEN PrintT(<<"rejected at line", Trace[furthest].line, "event", furthest, "of", Len(Trace)>>)
             /\ PrintT(Trace[furthest])
             /\ FALSE
        ELSE PrintT(<<"rejected at the end, which is not idle, after line", Trace[Len(Trace)].line>>)
             /\ FALSE

=============================================================================
