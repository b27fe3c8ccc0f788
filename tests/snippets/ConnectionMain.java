// Drives the class of docs/quickstart/android.md, "In Java": syncs, sends one message, and tells what it heard.
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.json.JSONObject;

public final class ConnectionMain {
  private static Connection connection;

  public static void main(String[] arguments) throws Exception {
    List<String> heard = new CopyOnWriteArrayList<>();
    CountDownLatch synced = new CountDownLatch(1), done = new CountDownLatch(1);
    Runnable sync = () -> {
      JSONObject ack = connection.emit("sync", new JSONObject()).join(); // waits, and does not deadlock
      heard.add(ack.optBoolean("ok") ? "sync" : ack.toString());
      synced.countDown();
    };
    connection = new Connection(arguments[0], arguments[1], sync, (event, payload) -> {
      heard.add(event);
      if (event.equals("message:created")) done.countDown();
    });
    connection.open();
    boolean complete = synced.await(30, TimeUnit.SECONDS); // only from then on all is heard
    JSONObject message = new JSONObject()
        .put("conversation_id", arguments[2])
        .put("client_message_id", UUID.randomUUID().toString())
        .put("body", "from Java");
    JSONObject ack = connection.emit("message:send", message).get();
    complete &= done.await(30, TimeUnit.SECONDS);
    connection.close();
    System.out.println(new JSONObject().put("ack", ack).put("heard", heard).put("complete", complete));
    System.exit(0);
  }
}
