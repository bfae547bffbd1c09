/** The server's groups for a service that runs elsewhere: its calls of them travel over its session's talk (D25). */
import {
  type EncodedCall,
  type GroupOutcome,
  type JoinOptions,
  MemberCalls,
  type Presence,
  type PresenceChange,
  type ProcessGroups,
} from "../rpc/group.js";
import { release } from "../rpc/stub.js";
import { describeError, restoreError } from "./carried-error.js";
import type { CarriedError } from "./carrier-messages.js";
import { relayRoot } from "./flow-talk.js";

/** An outcome on its way: an error is described. */
type CarriedOutcome =
  | { readonly id: string; readonly status: "fulfilled"; readonly value: unknown }
  | { readonly id: string; readonly status: "rejected"; readonly error: CarriedError };

/** What the carrier may call at the server's end. The session is always its own. */
interface FarGroups {
  join(group: string, options: JoinOptions): Promise<void>;
  leave(group: string): Promise<void>;
  call(group: string, call: EncodedCall, butMe: boolean): Promise<readonly CarriedOutcome[]>;
  members(group: string): Promise<readonly Presence[]>;
  watch(group: string, listener: (change: PresenceChange) => void): Promise<() => void>;
}

/** The server's end: what a session's carrier calls of the groups. */
export function groupsRelay(groups: ProcessGroups, id: string): object {
  const methods: { readonly [Name in keyof FarGroups]: (...args: Parameters<FarGroups[Name]>) => unknown } = {
    join: (group, options) => groups.join(id, group, options),
    leave: (group) => groups.leave(id, group),
    call: async (group, call, butMe) => (await groups.call(group, call, butMe ? id : undefined)).map(describeOutcome),
    members: (group) => groups.members(group),
    watch: (group, listener) => groups.watch(id, group, listener),
  };
  return relayRoot((name, args) => (methods[name as keyof FarGroups] as (...args: unknown[]) => unknown)(...args));
}

/** The carrier's end: the groups as one session's service reaches them. `remote` is the stub of the server's end. */
export function farGroups(remote: () => unknown): ProcessGroups {
  const far = () => remote() as FarGroups;
  return {
    // Nobody waits for these: what goes wrong is the event call_failed.
    join: (_id, group, options) => void far().join(group, options),
    leave: (_id, group) => void far().leave(group),
    call(group, call, except) {
      const called = far().call(group, call, except !== undefined);
      return new MemberCalls(async () => (await called).map(restoreOutcome));
    },
    members: async (group) => far().members(group),
    watch(_id, group, listener) {
      const stopped = far().watch(group, listener);
      return () => {
        const stop = async () => {
          const end = await stopped;
          end();
          release(end);
        };
        stop().catch(() => undefined);
      };
    },
  };
}

function describeOutcome(outcome: GroupOutcome<unknown>): CarriedOutcome {
  const { id } = outcome;
  return outcome.status === "fulfilled"
    ? { id, status: "fulfilled", value: outcome.value }
    : { id, status: "rejected", error: describeError(outcome.reason) };
}

function restoreOutcome(outcome: CarriedOutcome): GroupOutcome<unknown> {
  return outcome.status === "fulfilled"
    ? outcome
    : { id: outcome.id, status: "rejected", reason: restoreError(outcome.error) };
}
