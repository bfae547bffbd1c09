/** A group as the service of one member sees it (D25): the server's groups, with this session's part filled in. */
import type { Access, ProcessGrounds } from "../access/communication-process.js";
import { type EncodedCall, encodeOrRefuse, type GroupCall, type GroupClient, type ServiceGroup } from "../rpc/group.js";
import { runListener } from "../rpc/listeners.js";
import { makeStub } from "../rpc/stub.js";

/** The group `name`, for the session of `access`. */
export function serviceGroup(grounds: ProcessGrounds, access: Access, name: string): ServiceGroup<unknown> {
  const { groups, observer } = grounds;
  const { id } = access;
  const failed = (error: unknown) => observer.serviceError(access, "watch", error);
  return {
    join: (options = {}) => groups.join(id, name, options),
    leave: () => groups.leave(id, name),
    client: groupClient((call) => groups.call(name, call)),
    others: groupClient((call) => groups.call(name, call, id)),
    members: () => groups.members(name),
    watch: (listener) => groups.watch(id, name, (change) => runListener(() => listener(change), failed)),
  };
}

/** What looks like one client and calls many. */
export function groupClient<Client>(call: (call: EncodedCall) => GroupCall<unknown>): GroupClient<Client> {
  return makeStub({ call: (_target, method, args) => call(encodeOrRefuse(method, args)) }) as GroupClient<Client>;
}
