/** A module that is no service's. */
export default { place: () => "nowhere" };
