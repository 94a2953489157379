---- MODULE MCQIRing_TTrace_1795452469 ----
EXTENDS Sequences, TLCExt, Toolbox, Naturals, TLC, MCQIRing_TEConstants, MCQIRing

_expression ==
    LET MCQIRing_TEExpression == INSTANCE MCQIRing_TEExpression
    IN MCQIRing_TEExpression!expression
----

_trace ==
    LET MCQIRing_TETrace == INSTANCE MCQIRing_TETrace
    IN MCQIRing_TETrace!trace
----

_prop ==
    ~(([]<>(
            iqh = (2)
            /\
            done_by = ((0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0))
            /\
            pending_by = (<<>>)
            /\
            free_cnt = (4)
            /\
            pending = (<<>>)
            /\
            count = (<<0, 0>>)
            /\
            index = (<<0, 0>>)
            /\
            executed = (<<0, 0>>)
            /\
            free_tail = (2)
            /\
            iqt = (2)
            /\
            at = (<<0, 0>>)
            /\
            pc = (<<"PollUnlock", "Idle">>)
            /\
            free_head = (2)
            /\
            waiters = (<<>>)
            /\
            posted_by = ((0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0))
            /\
            lock = (1)
            /\
            desc = ((0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]))
            /\
            desc_status = ((0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE"))
    ))/\([]<>(
            iqh = (2)
            /\
            done_by = ((0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0))
            /\
            pending_by = (<<>>)
            /\
            free_cnt = (4)
            /\
            pending = (<<>>)
            /\
            count = (<<0, 0>>)
            /\
            index = (<<0, 0>>)
            /\
            executed = (<<0, 0>>)
            /\
            free_tail = (2)
            /\
            iqt = (2)
            /\
            at = (<<0, 0>>)
            /\
            pc = (<<"PollAcquire", "Idle">>)
            /\
            free_head = (2)
            /\
            waiters = (<<>>)
            /\
            posted_by = ((0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0))
            /\
            lock = (0)
            /\
            desc = ((0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]))
            /\
            desc_status = ((0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE"))
    )))
----

_init ==
    /\ waiters = _TETrace[1].waiters
    /\ lock = _TETrace[1].lock
    /\ at = _TETrace[1].at
    /\ iqh = _TETrace[1].iqh
    /\ iqt = _TETrace[1].iqt
    /\ index = _TETrace[1].index
    /\ done_by = _TETrace[1].done_by
    /\ posted_by = _TETrace[1].posted_by
    /\ free_cnt = _TETrace[1].free_cnt
    /\ count = _TETrace[1].count
    /\ pending = _TETrace[1].pending
    /\ desc = _TETrace[1].desc
    /\ desc_status = _TETrace[1].desc_status
    /\ free_head = _TETrace[1].free_head
    /\ pc = _TETrace[1].pc
    /\ pending_by = _TETrace[1].pending_by
    /\ executed = _TETrace[1].executed
    /\ free_tail = _TETrace[1].free_tail
----

_next ==
    /\ \E i,j \in DOMAIN _TETrace:
        /\ \/ /\ j = i + 1
              /\ i = TLCGet("level")
           \/ /\ i = _TTraceLassoEnd
              /\ j = _TTraceLassoStart
        /\ waiters  = _TETrace[i].waiters
        /\ waiters' = _TETrace[j].waiters
        /\ lock  = _TETrace[i].lock
        /\ lock' = _TETrace[j].lock
        /\ at  = _TETrace[i].at
        /\ at' = _TETrace[j].at
        /\ iqh  = _TETrace[i].iqh
        /\ iqh' = _TETrace[j].iqh
        /\ iqt  = _TETrace[i].iqt
        /\ iqt' = _TETrace[j].iqt
        /\ index  = _TETrace[i].index
        /\ index' = _TETrace[j].index
        /\ done_by  = _TETrace[i].done_by
        /\ done_by' = _TETrace[j].done_by
        /\ posted_by  = _TETrace[i].posted_by
        /\ posted_by' = _TETrace[j].posted_by
        /\ free_cnt  = _TETrace[i].free_cnt
        /\ free_cnt' = _TETrace[j].free_cnt
        /\ count  = _TETrace[i].count
        /\ count' = _TETrace[j].count
        /\ pending  = _TETrace[i].pending
        /\ pending' = _TETrace[j].pending
        /\ desc  = _TETrace[i].desc
        /\ desc' = _TETrace[j].desc
        /\ desc_status  = _TETrace[i].desc_status
        /\ desc_status' = _TETrace[j].desc_status
        /\ free_head  = _TETrace[i].free_head
        /\ free_head' = _TETrace[j].free_head
        /\ pc  = _TETrace[i].pc
        /\ pc' = _TETrace[j].pc
        /\ pending_by  = _TETrace[i].pending_by
        /\ pending_by' = _TETrace[j].pending_by
        /\ executed  = _TETrace[i].executed
        /\ executed' = _TETrace[j].executed
        /\ free_tail  = _TETrace[i].free_tail
        /\ free_tail' = _TETrace[j].free_tail

\* Uncomment the ASSUME below to write the states of the error trace
\* to the given file in Json format. Note that you can pass any tuple
\* to `JsonSerialize`. For example, a sub-sequence of _TETrace.
    \* ASSUME
    \*     LET J == INSTANCE Json
    \*         IN J!JsonSerialize("MCQIRing_TTrace_1795452469.json", _TETrace)


_view ==
    <<waiters, lock, at, iqh, iqt, index, done_by, posted_by, free_cnt, count, pending, desc, desc_status, free_head, pc, pending_by, executed, free_tail, IF TLCGet("level") = _TTraceLassoEnd + 1 THEN _TTraceLassoStart ELSE TLCGet("level")>>
=============================================================================

 Note that you can extract this module `MCQIRing_TEExpression`
  to a dedicated file to reuse `expression` (the module in the 
  dedicated `MCQIRing_TEExpression.tla` file takes precedence 
  over the module `MCQIRing_TEExpression` below).

---- MODULE MCQIRing_TEExpression ----
EXTENDS Sequences, TLCExt, Toolbox, Naturals, TLC, MCQIRing_TEConstants, MCQIRing

expression == 
    [
        \* To hide variables of the `MCQIRing` spec from the error trace,
        \* remove the variables below.  The trace will be written in the order
        \* of the fields of this record.
        waiters |-> waiters
        ,lock |-> lock
        ,at |-> at
        ,iqh |-> iqh
        ,iqt |-> iqt
        ,index |-> index
        ,done_by |-> done_by
        ,posted_by |-> posted_by
        ,free_cnt |-> free_cnt
        ,count |-> count
        ,pending |-> pending
        ,desc |-> desc
        ,desc_status |-> desc_status
        ,free_head |-> free_head
        ,pc |-> pc
        ,pending_by |-> pending_by
        ,executed |-> executed
        ,free_tail |-> free_tail
        
        \* Put additional constant-, state-, and action-level expressions here:
        \* ,_stateNumber |-> _TEPosition
        \* ,_waitersUnchanged |-> waiters = waiters'
        
        \* Format the `waiters` variable as Json value.
        \* ,_waitersJson |->
        \*     LET J == INSTANCE Json
        \*     IN J!ToJson(waiters)
        
        \* Lastly, you may build expressions over arbitrary sets of states by
        \* leveraging the _TETrace operator.  For example, this is how to
        \* count the number of times a spec variable changed up to the current
        \* state in the trace.
        \* ,_waitersModCount |->
        \*     LET F[s \in DOMAIN _TETrace] ==
        \*         IF s = 1 THEN 0
        \*         ELSE IF _TETrace[s].waiters # _TETrace[s-1].waiters
        \*             THEN 1 + F[s-1] ELSE F[s-1]
        \*     IN F[_TEPosition - 1]
    ]

=============================================================================



Parsing and semantic processing can take forever if the trace below is long.
 In this case, it is advised to uncomment the module below to deserialize the
 trace from a generated binary file.

\*
\*---- MODULE MCQIRing_TETrace ----
\*EXTENDS IOUtils, TLC, MCQIRing_TEConstants, MCQIRing
\*
\*trace == IODeserialize("MCQIRing_TTrace_1795452469.bin", TRUE)
\*
\*=============================================================================
\*

---- MODULE MCQIRing_TETrace ----
EXTENDS TLC, MCQIRing_TEConstants, MCQIRing

trace == 
    <<
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 0,at |-> <<0, 0>>,pc |-> <<"Idle", "Idle">>,free_head |-> 0,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 0,desc |-> (0 :> [kind |-> "blank", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 0,at |-> <<0, 0>>,pc |-> <<"Acquire", "Idle">>,free_head |-> 0,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 0,desc |-> (0 :> [kind |-> "blank", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 0,at |-> <<0, 0>>,pc |-> <<"WdInUse", "Idle">>,free_head |-> 0,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "blank", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 0,at |-> <<0, 0>>,pc |-> <<"WriteWd", "Idle">>,free_head |-> 0,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "blank", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 0,at |-> <<0, 0>>,pc |-> <<"WriteIqt", "Idle">>,free_head |-> 0,waiters |-> <<>>,posted_by |-> (0 :> 1 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 0,at |-> <<0, 0>>,pc |-> <<"WriteIqt", "Acquire">>,free_head |-> 0,waiters |-> <<>>,posted_by |-> (0 :> 1 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 0,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 3,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"Poll", "Acquire">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 1 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 3,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"Poll", "Acquire">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 3,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"PollUnlock", "Acquire">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 3,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Acquire">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 0,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 3,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "WdInUse">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 3,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "WriteWd">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "blank", target |-> 0] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_IN_USE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 3,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 1,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "WriteIqt">>,free_head |-> 1,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_IN_USE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<1>>,free_cnt |-> 2,pending |-> <<[kind |-> "wd", target |-> 0]>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Poll">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_IN_USE" @@ 1 :> "QI_IN_USE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 1,done_by |-> (0 :> 1 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 2,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Poll">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_DONE" @@ 1 :> "QI_IN_USE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 1 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<2>>,free_cnt |-> 2,pending |-> <<[kind |-> "wd", target |-> 1]>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Poll">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_DONE" @@ 1 :> "QI_IN_USE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 1 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 2,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Poll">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_DONE" @@ 1 :> "QI_DONE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 1 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 2,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Reclaim">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_DONE" @@ 1 :> "QI_DONE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 1 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 2,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 0,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "ReclaimFree">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_DONE" @@ 1 :> "QI_DONE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 3,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 1,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Reclaim">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_DONE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 2 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 3,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 1,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "ReclaimFree">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_DONE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 2,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Reclaim">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 1>>,executed |-> <<0, 0>>,free_tail |-> 2,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Return">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 2,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 2,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollAcquire", "Idle">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 0,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 2,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"Poll", "Idle">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")]),
    ([iqh |-> 2,done_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),pending_by |-> <<>>,free_cnt |-> 4,pending |-> <<>>,count |-> <<0, 0>>,index |-> <<0, 0>>,executed |-> <<0, 0>>,free_tail |-> 2,iqt |-> 2,at |-> <<0, 0>>,pc |-> <<"PollUnlock", "Idle">>,free_head |-> 2,waiters |-> <<>>,posted_by |-> (0 :> 0 @@ 1 :> 0 @@ 2 :> 0 @@ 3 :> 0),lock |-> 1,desc |-> (0 :> [kind |-> "wd", target |-> 0] @@ 1 :> [kind |-> "wd", target |-> 1] @@ 2 :> [kind |-> "blank", target |-> 0] @@ 3 :> [kind |-> "blank", target |-> 0]),desc_status |-> (0 :> "QI_FREE" @@ 1 :> "QI_FREE" @@ 2 :> "QI_FREE" @@ 3 :> "QI_FREE")])
    >>
----


=============================================================================

---- MODULE MCQIRing_TEConstants ----
EXTENDS MCQIRing

CONSTANTS _TTraceLassoStart, _TTraceLassoEnd

=============================================================================

---- CONFIG MCQIRing_TTrace_1795452469 ----
CONSTANTS
    Submitters = { 1 , 2 }
    Counts = { 0 , 1 }
    Length = 4
    Lock = "strong-fair"
    Hardware = "in-order"
    Depth = 2
    Handout = "as-driver"
    RoomRule = "count-plus2"
    RoomWaitRule = "unlock"
    LayoutRule = "wd-last"
    IdStatusRule = "in-use"
    PublishRule = "status-wd-iqt"
    PollRule = "done"
    CleanUpRule = "locked"
    MarkRule = "ids-done"
    ReclaimRule = "while-done"
_TTraceLassoStart = 24
_TTraceLassoEnd = 26

PROPERTY
    _prop

CHECK_DEADLOCK
    \* CHECK_DEADLOCK off because of PROPERTY or INVARIANT above.
    FALSE

INIT
    _init

NEXT
    _next

VIEW
    _view

CONSTANT
    _TETrace <- _trace

ALIAS
    _expression
=============================================================================
\* Generated on Mon Nov 23 16:47:54 UTC 2026