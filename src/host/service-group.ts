/** A group as the service of one member sees it (D25): the server's groups, with this session's part filled in. */
import { encodeCall, type GroupCall, type GroupClient, type ProcessGroups, type ServiceGroup } from "../rpc/group.js";
import { makeStub } from "../rpc/stub.js";

/** The group `name` of `groups`, for the session `id`. */
export function serviceGroup(groups: ProcessGroups, id: string, name: string): ServiceGroup<unknown> {
  return {
    join: (options = {}) => groups.join(id, name, options),
    leave: () => groups.leave(id, name),
    client: groupClient((method, args) => groups.call(name, encodeCall(method, args))),
    others: groupClient((method, args) => groups.call(name, encodeCall(method, args), id)),
    members: () => groups.members(name),
    watch: (listener) => groups.watch(id, name, listener),
  };
}

/** What looks like one client and calls many. */
export function groupClient<Client>(
  call: (method: string, args: readonly unknown[]) => GroupCall<unknown>,
): GroupClient<Client> {
  return makeStub({ call: (_target, method, args) => call(method, args) }) as GroupClient<Client>;
}
