// Reads lines of JSON {secret, headers, body} and prints for each "valid" with the type, or the reason of a refusal.
import { createInterface } from "node:readline";
import standard from "standardwebhooks";

for await (const line of createInterface({ input: process.stdin })) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    console.log("valid " + new standard.Webhook(secret).verify(body, headers).type);
  } catch (e) {
    console.log("refused: " + e.message);
  }
}
