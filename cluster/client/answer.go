package client

import (
	"strconv"
	"strings"

	"github.com/lockstepdb/lockstep/cluster/client/policy"
	"github.com/lockstepdb/lockstep/kv/kvpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errorDomain is the domain of the ErrorInfo that tells a reason.
const errorDomain = "lockstep"

// answerOfResult judges a pipelined result.
func answerOfResult(r *result) policy.Answer {
	if codes.Code(r.code) == codes.OK {
		return policy.Answer{Outcome: policy.Done, Session: r.session, Window: r.window}
	}
	return answerOf(codes.Code(r.code), r.reason)
}

// answerOf judges a failure by its code and reason. It is careful: what it does not know is unknown.
func answerOf(code codes.Code, reason kvpb.Reason) policy.Answer {
	switch {
	case code == codes.Aborted, reason == kvpb.Reason_REASON_OUTCOME_UNKNOWN, reason == kvpb.Reason_REASON_UNSPECIFIED:
		return policy.Answer{Outcome: policy.Unknown, Reason: policy.ReasonOutcomeUnknown}
	case reason > 0 && reason <= kvpb.Reason_REASON_LEARNER_BEHIND:
		return policy.Answer{Outcome: policy.Refused, Reason: policy.Reason(reason)}
	}
	// A reason of a later version: the code still tells whether there was an effect.
	switch code {
	case codes.Unavailable, codes.ResourceExhausted, codes.InvalidArgument, codes.FailedPrecondition:
		return policy.Answer{Outcome: policy.Refused, Reason: policy.ReasonUnsupported}
	}
	return policy.Answer{Outcome: policy.Unknown, Reason: policy.ReasonOutcomeUnknown}
}

// answerOfError judges the error of a unary call. sent says that it may have left: gRPC found a connection for it. The
// result takes the message and the leader hint.
func answerOfError(err error, sent bool, r *result) policy.Answer {
	st := status.Convert(err)
	r.message = plainMessage(st.Message())
	reason, told := kvpb.Reason_REASON_UNSPECIFIED, false
	var retryAfter int64
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.Domain == errorDomain {
				reason, told = reasonNamed(detail.Reason), true
			}
		case *errdetails.RetryInfo:
			retryAfter = int64(detail.GetRetryDelay().AsDuration())
		case *kvpb.LeaderHint:
			r.leader = leaderHint{term: detail.Term, address: detail.GrpcAddress}
		}
	}
	if !told {
		return answerOfTransport(err, sent)
	}
	a := answerOf(st.Code(), reason)
	a.RetryAfter = retryAfter
	return a
}

// answerOfTransport judges an error that is gRPC's own.
func answerOfTransport(err error, sent bool) policy.Answer {
	denied, _ := deniedBy(err)
	switch {
	case denied:
		return policy.Answer{Outcome: policy.Refused, Reason: policy.ReasonUnsupported}
	case !sent:
		return policy.UnsentAnswer()
	}
	return policy.LostAnswer()
}

// What gRPC puts around the reason why there is no connection.
const (
	wrappedLast    = "last connection error: "
	wrappedError   = "connection error: desc = "
	wrappedDialing = "transport: Error while dialing: "
)

// plainMessage takes gRPC's wrapping off a message about a connection.
func plainMessage(message string) string {
	_, rest, ok := strings.Cut(message, wrappedLast)
	if !ok {
		rest = message
	}
	quoted, ok := strings.CutPrefix(rest, wrappedError)
	if !ok {
		return message
	}
	plain, err := strconv.Unquote(quoted)
	if err != nil {
		return message
	}
	return strings.TrimPrefix(plain, wrappedDialing)
}

// reasonUnknownYet stands for a reason of a later version.
const reasonUnknownYet = kvpb.Reason(-1)

// reasonNamed is the reason of an ErrorInfo, which carries its name without the prefix.
func reasonNamed(name string) kvpb.Reason {
	if number, ok := kvpb.Reason_value["REASON_"+strings.TrimPrefix(name, "REASON_")]; ok {
		return kvpb.Reason(number)
	}
	return reasonUnknownYet
}
