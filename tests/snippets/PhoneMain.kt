// Drives the classes of docs/phone.md by lines of JSON.
import kotlin.system.exitProcess
import kotlinx.coroutines.runBlocking
import org.json.JSONArray
import org.json.JSONObject

@Volatile
private var state = "{}"

private fun draw(phone: Phone) {
    val held = phone.store.held.mapValues { (_, it) ->
        JSONArray(it.messages.values.map { m -> JSONArray(listOf(m.seq, m.body ?: JSONObject.NULL)) })
    }
    val unread = phone.store.held.mapValues { (_, it) -> it.unread }
    state = JSONObject().put("held", JSONObject(held)).put("unread", JSONObject(unread)).toString()
}

fun main(arguments: Array<String>) {
    val (url, username, password) = arguments
    val login = JSONObject().put("username", username).put("password", password)
    val phone = Phone(url, runBlocking { Phone.request(url, "auth/login", login) }, ::draw)
    for (line in generateSequence(::readLine)) {
        val order = JSONObject(line)
        val id = order.optString("conversation_id")
        when (order.getString("do")) {
            "send" -> phone.send(id, order.getString("body"))
            "read" -> phone.read(id, order.getLong("seq"))
            "older" -> phone.older(id)
            "show" -> phone.show(id)
            else -> println(state)
        }
    }
    phone.close()
    exitProcess(0)
}
