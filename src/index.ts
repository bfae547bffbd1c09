/**
 * duowire: two-way calls between a server and its clients over one HTTP port. This entry is what both sides share, and
 * what a service's module imports; see "duowire/client" for `connect` and "duowire/server" for `serve`.
 */
export type { CallOutcome, DuowireErrorOptions, ErrorCode, ErrorSide, NextStep } from "./base/errors.js";
export { DuowireError } from "./base/errors.js";
export type { Metadata } from "./rpc/call-options.js";
export type { Channel, ChannelEvents } from "./rpc/channel.js";
export { type ErrorClass, registerError } from "./rpc/error-classes.js";
export type {
  GroupCall,
  GroupClient,
  GroupOutcome,
  JoinOptions,
  Presence,
  PresenceChange,
  ServiceGroup,
  SlowConsumer,
} from "./rpc/group.js";
export { type CallContext, callContext, callSignal } from "./rpc/incoming-call.js";
export type { CallSession, InterceptedCall, Interceptor } from "./rpc/interceptors.js";
export { detached } from "./rpc/on-behalf.js";
export { revoke } from "./rpc/references.js";
export type { RemoteCall } from "./rpc/remote-call.js";
export { RemoteError } from "./rpc/remote-error.js";
export type { ServiceSession } from "./rpc/service.js";
export { Service, Target } from "./rpc/service.js";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./rpc/standard-schema.js";
export type { CallOptions } from "./rpc/stub.js";
export { release } from "./rpc/stub.js";
export type { Passed, Pipelined, Received, Remote, ResultOf, Sent, Stub } from "./rpc/types.js";
export { type ArgumentIssue, type MethodSchemas, withSchemas } from "./rpc/validation.js";
