package gochat;

import io.socket.client.AckWithTimeout;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import io.socket.engineio.client.Transport;
import io.socket.engineio.parser.Packet;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** Phones on the official client, driven by lines of JSON: those of tests/js/client.js. */
public final class Client {
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

  private final String name;
  private final Map<String, String> auth = new HashMap<>();
  private final Socket socket;

  private Client(JSONObject order) throws Exception {
    name = order.getString("phone");
    auth.put("token", order.getString("token"));
    IO.Options options = new IO.Options();
    options.auth = auth;
    options.forceNew = !order.optBoolean("shared");
    options.reconnectionDelay = 50;
    options.reconnectionDelayMax = 200;
    if (order.has("transports")) {
      options.transports = strings(order.getJSONArray("transports"));
    }
    socket = IO.socket(URI.create(order.getString("url")), options);
    listen();
    if (!order.optBoolean("wait")) {
      socket.connect();
    }
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Client> phones = new HashMap<>();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      JSONObject order = new JSONObject(line);
      if (order.getString("do").equals("open")) {
        phones.put(order.getString("phone"), new Client(order));
      } else {
        phones.get(order.getString("phone")).obey(order);
      }
    }
    phones.values().forEach(phone -> phone.socket.disconnect());
    System.exit(0);
  }

  private void obey(JSONObject order) throws JSONException {
    switch (order.getString("do")) {
      case "token" -> auth.put("token", order.getString("token"));
      case "connect" -> socket.connect();
      case "emit" -> emit(order);
      default -> throw new IllegalArgumentException(order.toString());
    }
  }

  private void emit(JSONObject order) throws JSONException {
    int id = order.getInt("id");
    Object[] payload = {order.get("payload")};
    socket.emit(order.getString("event"), payload, new AckWithTimeout(order.getLong("timeout_ms")) {
      @Override
      public void onSuccess(Object... answer) {
        say("ack", id, answer);
      }

      @Override
      public void onTimeout() {
        say("ack", id);
      }
    });
  }

  private void listen() {
    socket.onAnyIncoming(args -> say("event", args[0], args[1]));
    socket.on(Socket.EVENT_CONNECT, args -> say("state", "connect"));
    socket.on(Socket.EVENT_CONNECT_ERROR, args -> say("state", "connect_error", args));
    socket.on(
        Socket.EVENT_DISCONNECT,
        args -> say("state", "disconnect", Map.of("reason", args[0], "active", socket.isActive())));
    socket.io().on(Manager.EVENT_TRANSPORT, args -> tellOnceItCarries((Transport) args[0]));
  }

  /** The library makes a transport known before it upgrades to it; what counts is that it brings messages. */
  private void tellOnceItCarries(Transport transport) {
    boolean[] told = {false};
    transport.on(Transport.EVENT_PACKET, args -> {
      if (((Packet<?>) args[0]).type.equals(Packet.MESSAGE) && !told[0]) {
        told[0] = true;
        say("state", "transport", transport.name);
      }
    });
  }

  private void say(String kind, Object what, Object... payload) {
    try {
      JSONObject line = new JSONObject().put("phone", name).put(kind, what);
      if (payload.length > 0) {
        line.put("payload", json(payload[0]));
      }
      synchronized (OUT) {
        OUT.println(line);
      }
    } catch (JSONException error) {
      throw new IllegalStateException(error);
    }
  }

  private static Object json(Object value) {
    if (value instanceof Exception error) {
      return new JSONObject(Map.of("message", String.valueOf(error.getMessage())));
    }
    return value instanceof Map<?, ?> map ? new JSONObject(map) : value;
  }

  private static String[] strings(JSONArray array) throws JSONException {
    String[] strings = new String[array.length()];
    for (int i = 0; i < strings.length; i++) {
      strings[i] = array.getString(i);
    }
    return strings;
  }
}
