// Ask a server as people's programs in JavaScript do. Reads a list of chats from standard input; prints for each
// [whole text, joined stream, finish reason, usage of the stream], and last the vector of "hi".
const OpenAI = require("openai");

async function main() {
  const [address, embedder, chats] = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const client = new OpenAI({ baseURL: `${address}/v1`, apiKey: "none", maxRetries: 0 });
  const found = [];
  for (const chat of chats) {
    const whole = await client.chat.completions.create(chat);
    const stream = await client.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } });
    let text = "", reason = null, usage = null;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? "";
      reason = chunk.choices[0]?.finish_reason ?? reason;
      usage = chunk.usage ?? usage;
    }
    found.push([whole.choices[0].message.content, text, reason, usage.completion_tokens]);
  }
  const vectors = await client.embeddings.create({ model: embedder, input: "hi" });
  console.log(JSON.stringify([found, vectors.data[0].embedding]));
}

main();
