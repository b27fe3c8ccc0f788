// Drives the class of docs/quickstart/android.md by lines of JSON.
import kotlin.system.exitProcess
import kotlinx.coroutines.runBlocking
import org.json.JSONArray
import org.json.JSONObject

fun main(arguments: Array<String>) {
    val (url, username, password) = arguments
    val chat = runBlocking { Chat.open(url, username, password) }
    for (line in generateSequence(::readLine)) {
        val order = JSONObject(line)
        if (order.getString("do") == "send") {
            chat.send(order.getString("conversation_id"), order.getString("body"))
        } else if (order.getString("do") == "older") {
            runBlocking { do { val more = chat.older(order.getString("conversation_id")) } while (more) }
        } else {
            val state = chat.conversations.value.mapValues { (_, messages) ->
                JSONArray(messages.map { JSONArray(listOf(it.seq, it.body ?: JSONObject.NULL)) })
            }
            println(JSONObject(state))
        }
    }
    chat.close()
    exitProcess(0)
}
