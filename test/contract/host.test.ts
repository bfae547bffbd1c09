import { hostContract } from "./host.js";
import { hostCases } from "./host-cases.js";

for (const one of hostCases) hostContract(one);
